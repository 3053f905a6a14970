#include "lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "args.h"
#include "environment.h"

namespace verdictd {
namespace {

// What lock_file() hands to the constructor of the object it makes.
thread_local int handed = -1;

[[noreturn]] void failed(Napi::Env env, const std::string& path, int error) {
  Napi::Error thrown = Napi::Error::New(env, "cannot lock " + path + ": " + std::generic_category().message(error));
  thrown.Set("errno", Napi::Number::New(env, error));
  throw thrown;
}

}  // namespace

Napi::Function LockWrap::define(Napi::Env env) { return DefineClass(env, "Lock", {InstanceMethod<&LockWrap::close>("close")}); }

LockWrap::LockWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  if (handed < 0) throw Napi::TypeError::New(info.Env(), "a Lock is made by lockFile, not by new");
  fd_ = std::exchange(handed, -1);
  // Garbage collection must not open the door: only close() or the end does.
  Ref();
}

LockWrap::~LockWrap() { let_go(); }

void LockWrap::let_go() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Napi::Value LockWrap::lock_file(const Napi::CallbackInfo& info) {
  const std::string path = args::text(args::at(info, 0), "the path");
  constexpr mode_t owner_writes = 0644;
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, owner_writes);
  if (fd < 0) failed(info.Env(), path, errno);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::close(fd);
    if (error == EWOULDBLOCK) return info.Env().Null();
    failed(info.Env(), path, error);
  }
  handed = fd;
  try {
    return Environment::of(info.Env()).lock.New({});
  } catch (...) {
    // Not taken: nobody else must find it.
    if (handed >= 0) ::close(std::exchange(handed, -1));
    throw;
  }
}

void LockWrap::close(const Napi::CallbackInfo&) {
  if (fd_ < 0) return;
  let_go();
  Unref();
}

}  // namespace verdictd
