#!/.busybox/sh
# timeout that takes its seconds by -t too, as busybox had it before 1.30.
[ "$1" != -t ] || shift
exec /.busybox/busybox timeout "$@"
