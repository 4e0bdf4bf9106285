#!/.busybox/sh
# netstat for a busybox that was built without -p: the letter is left out, and so is its column.
for word do
  shift
  case $word in
    --*) ;;
    -*p*)
      while :; do case $word in *p*) word=${word%%p*}${word#*p} ;; *) break ;; esac; done
      [ "$word" != - ] || continue ;;
  esac
  set -- "$@" "$word"
done
exec /.busybox/busybox netstat "$@"
