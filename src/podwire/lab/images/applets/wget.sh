#!/.busybox/sh
# wget for a busybox that was built without -T: its own one ends with a segmentation fault there, and does not know
# --timeout. As in the published image, certificates are not checked. The timeout is one of silence, not of the whole.
bb=/.busybox/busybox
seconds= awaits= only_words=

for word do
  shift
  if [ "$awaits" = timeout ]; then
    seconds=$word awaits=
    continue
  elif [ "$awaits" ]; then
    awaits=
  elif [ "$only_words" ]; then
    :
  else
    case $word in
      --) only_words=1 ;;
      --ti*=*) seconds=${word#*=}; continue ;;
      --ti*) awaits=timeout; continue ;;
      --output-document|--output-file|--directory-prefix|--proxy|--user-agent) awaits=value ;;
      --header|--post-data|--post-file|--tries) awaits=value ;;
      --*) ;;
      -?*)
        letters=${word#-} word=-
        while [ "$letters" ]; do
          rest=${letters#?} letter=${letters%"${letters#?}"}
          case $letter in
            T) seconds=$rest rest=; [ "$seconds" ] || awaits=timeout ;;
            [OoPYUt]) word=$word$letter$rest; [ "$rest" ] || awaits=value; rest= ;;
            *) word=$word$letter ;;
          esac
          letters=$rest
        done
        [ "$word" != - ] || continue ;;
    esac
  fi
  set -- "$@" "$word"
done

set -- --no-check-certificate "$@"
if [ "$awaits" = timeout ]; then
  echo "wget: option requires an argument -- 'T'" >&2
  exit 1
fi
[ "$seconds" ] || exec "$bb" wget "$@"
case $seconds in
  *[!0-9]*) echo "wget: invalid number '$seconds'" >&2; exit 1 ;;
  0|*[!0]*) ;;
esac
[ "$seconds" -gt 0 ] || exec "$bb" wget "$@"

# Ends the process by SIGALRM after so many quarters of a second in which it read nothing. All children are reaped, as
# the first process of a container may reap none.
watch_silence() {
  trap 'kill "$!"; wait; exit' TERM
  quiet=0 before=
  while [ "$quiet" -lt "$2" ]; do
    "$bb" sleep 0.25 &
    wait "$!"
    [ -d "/proc/$1" ] || return
    now=
    { read -r _ now < "/proc/$1/io"; } 2>/dev/null
    if [ "$now" = "$before" ]; then quiet=$((quiet + 1)); else quiet=1 before=$now; fi
  done
  kill -ALRM "$1"
}

exec 3<&0
"$bb" wget "$@" <&3 3<&- &
child=$!
exec 3<&-
watch_silence "$child" $((seconds * 4)) </dev/null >/dev/null 2>&1 &
watch=$!
trap 'kill "$child" "$watch" 2>/dev/null; wait; exit 130' INT
trap 'kill "$child" "$watch" 2>/dev/null; wait; exit 143' TERM
wait "$child" 2>/dev/null
code=$?
kill "$watch" 2>/dev/null
wait "$watch" 2>/dev/null
if [ "$code" = 142 ]; then
  echo "wget: download timed out" >&2
  exit 1
fi
exit "$code"
