# nc -u HOST PORT by bash's own sockets: `zero` only looks whether the port refuses, else input is sent as one datagram
# a line and answers are shown. Arguments: zero, loud, seconds to wait, host, port.
zero=$1 loud=$2 seconds=$3 host=$4 port=$5
exec 3<>"/dev/udp/$host/$port" || exit 1

if [ "$zero" = 1 ]; then
  for _ in 1 2; do # a refusal of the first one fails the second
    printf '\0' >&3 2>/dev/null || { echo "nc: $host ($host:$port): Connection refused" >&2; exit 1; }
    read -r -t 0.3 -u 3 _
  done
  [ "$loud" = 0 ] || echo "$host ($host:$port) open" >&2
  exit 0
fi

cat <&3 &
shower=$!
trap 'kill "$shower" 2>/dev/null' EXIT
while IFS= read -r line || [ -n "$line" ]; do
  printf '%s\n' "$line" >&3 || exit 1
done
sleep "${seconds:-86400}"
