#!/.busybox/sh
# nc for a busybox that was built with the small one, which has neither -z nor -v nor -n nor -u. Its -e runs a program
# when connected. Datagrams need a netcat or a bash of the machine.
bb=/.busybox/busybox
zero= loud= wait= datagrams= others=
while getopts :nuvw:z option; do
  case $option in
    n) ;;
    u) datagrams=1 ;;
    v) loud=1 ;;
    w) wait="-w $OPTARG" ;;
    z) zero=1 ;;
    *) [ "$datagrams" ] || exec "$bb" nc "$@"
       others=1
       break ;;
  esac
done

if [ "$datagrams" ]; then
  for other in /usr/bin/nc /bin/nc; do
    [ -x "$other" ] && exec "$other" "$@"
  done
  for other in /usr/bin/bash /bin/bash; do
    [ -x "$other" ] && [ -z "$others" ] && [ $# -ge $((OPTIND + 1)) ] || continue
    shift $((OPTIND - 1))
    exec "$other" /.busybox/.nc-datagrams "${zero:-0}" "${loud:-0}" "${wait#-w }" "$1" "$2"
  done
  echo "nc: -u needs a netcat of this machine: install netcat-openbsd" >&2
  exit 1
fi

shift $((OPTIND - 1))
[ "$zero" ] || exec "$bb" nc $wait "$@"
"$bb" nc $wait "$@" -e /.busybox/true || exit
[ -z "$loud" ] || echo "$1 ($1:$2) open" >&2
