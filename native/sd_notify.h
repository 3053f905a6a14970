// systemd's notification: Node cannot open datagram sockets of AF_UNIX.
#pragma once

#include <napi.h>

namespace verdictd {

// notify(socket, text): one datagram to the AF_UNIX socket of that name (a path, or '@' and an abstract name), as sd_notify(3)
// describes. Never waits: throws an Error with `errno` (EAGAIN where the supervisor does not read).
void notify(const Napi::CallbackInfo& info);

}  // namespace verdictd
