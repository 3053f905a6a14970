// The JavaScript face of a camera thread: translation only.
#pragma once

#include <napi.h>

#include <cstdint>
#include <map>
#include <memory>

#include "backends/pushed.h"
#include "camera/outbox.h"
#include "camera/thread.h"

namespace verdictd {

// One owner: this object holds the thread and the signal to JavaScript.
// One close path: shut(), reached by ClosedEvent after close(), by the end of the environment, and by the destructor. From its
// first call on the thread has ended (or is left alone, deaf and dumb) and no callback comes any more.
class CameraWrap final : public Napi::ObjectWrap<CameraWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  // new Camera(options, onEvent, before?), where options are one of
  //   {backend: 'pushed'}
  //   {backend: 'spinnaker', library, serial, acceptOutput}; each text may be empty
  //   {backend: 'aravis', library, device, acceptOutput, buffers, packetSize, packetDelay, socketBuffer, packetSocket}
  // `before`, the Camera whose place this one takes, is not asked any more; what a real one showed last is remembered.
  explicit CameraWrap(const Napi::CallbackInfo& info);
  ~CameraWrap() override;

 private:
  static void on_signal(Napi::Env env, Napi::Function callback, CameraWrap* self, void* data);
  using Signal = Napi::TypedThreadSafeFunction<CameraWrap, void, &CameraWrap::on_signal>;

  Napi::Value list(const Napi::CallbackInfo& info);
  Napi::Value open(const Napi::CallbackInfo& info);
  Napi::Value features(const Napi::CallbackInfo& info);
  Napi::Value get(const Napi::CallbackInfo& info);
  Napi::Value set(const Napi::CallbackInfo& info);
  Napi::Value execute(const Napi::CallbackInfo& info);
  Napi::Value start(const Napi::CallbackInfo& info);
  Napi::Value fire(const Napi::CallbackInfo& info);
  Napi::Value snap(const Napi::CallbackInfo& info);
  Napi::Value accept(const Napi::CallbackInfo& info);
  Napi::Value stop(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  Napi::Value health(const Napi::CallbackInfo& info);
  void push(const Napi::CallbackInfo& info);
  void push_fault(const Napi::CallbackInfo& info);
  void push_end(const Napi::CallbackInfo& info);

  Napi::Value request(Napi::Env env, Command command);
  PushedBackend& pushed(Napi::Env env) const;
  void deliver(Napi::Env env, Napi::Function callback);
  void handle(Napi::Env env, Napi::Function callback, const Event& event);
  static void at_exit(void* self);
  void shut();

  napi_env environment_;
  std::shared_ptr<Outbox> outbox_;
  std::shared_ptr<PushedBackend> pushed_;  // null for a real camera
  std::shared_ptr<PictureMemory> memory_;
  std::unique_ptr<CameraThread> thread_;
  Signal signal_;
  bool running_ = false;
  uint64_t last_request_ = 0;
  std::map<uint64_t, Napi::Promise::Deferred> waiting_;
  std::unique_ptr<Napi::Promise::Deferred> closing_;
};

}  // namespace verdictd
