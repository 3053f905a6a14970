// One process works on a data directory.
#pragma once

#include <napi.h>

namespace verdictd {

// An advisory lock (flock, exclusive) on a file. Held from lockFile() to close(), to the end of its environment, or to the end
// of the process by any means: the kernel lets go. A child process does not inherit it.
class LockWrap final : public Napi::ObjectWrap<LockWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit LockWrap(const Napi::CallbackInfo& info);
  ~LockWrap() override;

  // lockFile(path): the lock, or null where somebody else holds it.
  static Napi::Value lock_file(const Napi::CallbackInfo& info);

 private:
  void close(const Napi::CallbackInfo& info);
  void let_go();

  int fd_ = -1;
};

}  // namespace verdictd
