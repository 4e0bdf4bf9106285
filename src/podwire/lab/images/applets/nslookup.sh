#!/.busybox/sh
# nslookup that searches the domains of /etc/resolv.conf for names with dots too, as programs do (`ndots`), and shows
# the first answer only. busybox's own one searches for names without a dot, and fails when one domain has no answer.
bb=/.busybox/busybox
name= found=
for word do
  case $word in
    -*) ;;
    *) [ "$name" ] || name=$word ;;
  esac
done

domains=
while read -r key rest; do
  [ "$key" != search ] || domains=$rest
done 2>/dev/null < /etc/resolv.conf
case $name in
  ''|*.|*:*) domains= ;;
  *[!0-9.]*) ;;
  *) domains= ;; # an address
esac
case $* in
  *-type=ptr*|*-type=PTR*) domains= ;;
esac

for domain in $domains; do
  # The name is the first word that is no option; the others stay as they are.
  answer=$(
    replaced=
    for word do
      shift
      if [ "$word" = "$name" ] && [ -z "$replaced" ]; then replaced=1 word=$name.$domain; fi
      set -- "$@" "$word"
    done
    exec "$bb" nslookup "$@" 2>&1
  )
  code=$?
  case $answer in
    *"timed out"*|*"no servers"*) printf '%s\n' "$answer"; exit 1 ;;
  esac
  if [ "$code" = 0 ]; then
    printf '%s\n\n' "$answer"
    exit 0
  fi
done
exec "$bb" nslookup "$@"
