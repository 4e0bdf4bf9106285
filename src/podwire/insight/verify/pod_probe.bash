# Try TCP connections by bash alone: reads ADDRESS PORT PROTOCOL SECONDS a line, prints an outcome a line, in order.
once() {
    [ "$3" = TCP ] || { echo error; return; }
    said=$(LC_ALL=C timeout "$4" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>&1)
    code=$?
    case $code-$said in
        0-*) echo open ;;
        124-* | 143-*) echo silent ;;
        *"onnection refused"*) echo closed ;;
        *route* | *unreachable*) echo unreachable ;;
        *) echo error ;;
    esac
}
count=0
folder=$(mktemp -d) || exit 1
while read -r address port protocol seconds; do
    once "$address" "$port" "$protocol" "$seconds" >"$folder/$count" &
    count=$((count + 1))
done
wait
for ((one = 0; one < count; one++)); do cat "$folder/$one"; done
rm -r "$folder"
