#!/bin/sh
# Runs the platform (workerd, whose path is in WAYBILL_WORKERD) so that it ends with the process that started it. workerd
# alone outlives a parent that was killed with SIGKILL, and keeps its port and its database files.
# Linux does it in the kernel; elsewhere a shell looks once a second. `exec` keeps the process id that miniflare knows.
parent=$PPID
if setpriv --pdeathsig KILL true 2>/dev/null; then
  # The kernel signals from here on only: a parent that died before is seen by the second shell.
  exec setpriv --pdeathsig KILL sh -c '[ "$PPID" = "$0" ] || exit 1; exec "$WAYBILL_WORKERD" "$@"' "$parent" "$@"
fi
(while kill -0 "$parent" && kill -0 $$; do sleep 1; done; kill -KILL $$) </dev/null >/dev/null 2>&1 3>&- &
exec "$WAYBILL_WORKERD" "$@"
