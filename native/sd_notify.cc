#include "sd_notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <system_error>

#include "args.h"

namespace verdictd {
namespace {

class Socket {
 public:
  Socket() : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

[[noreturn]] void failed(Napi::Env env, const std::string& socket, int error) {
  Napi::Error thrown = Napi::Error::New(env, "cannot notify " + socket + ": " + std::generic_category().message(error));
  thrown.Set("errno", Napi::Number::New(env, error));
  throw thrown;
}

}  // namespace

void notify(const Napi::CallbackInfo& info) {
  const std::string name = args::text(args::at(info, 0), "the socket");
  const std::string text = args::text(args::at(info, 1), "the text");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() < 2 || (name[0] != '/' && name[0] != '@')) {
    throw Napi::RangeError::New(info.Env(), "expected an absolute path or '@' and a name for the socket, received '" + name + "'");
  }
  // A path ends with its NUL; an abstract name has one in front and is exactly as long as it is.
  const bool abstract = name[0] == '@';
  if (name.size() + (abstract ? 0 : 1) > sizeof address.sun_path) {
    throw Napi::RangeError::New(info.Env(), "the socket's name is longer than " + std::to_string(sizeof address.sun_path - 1) + " bytes");
  }
  std::memcpy(address.sun_path, name.data(), name.size());
  if (abstract) address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (abstract ? 0 : 1));

  const Socket socket;
  if (socket.fd() < 0) failed(info.Env(), name, errno);
  const ssize_t sent = ::sendto(socket.fd(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                                reinterpret_cast<const sockaddr*>(&address), length);
  if (sent < 0) failed(info.Env(), name, errno);
}

}  // namespace verdictd
