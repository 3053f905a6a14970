// Export table. Every environment (main thread, worker) that loads the addon gets its own classes and its own Environment.
#include <napi.h>

#include <memory>

#include "camera/wrap.h"
#include "environment.h"
#include "frame/one_shot.h"
#include "frame/ring_wrap.h"
#include "last_resort.h"
#include "lock.h"
#include "sd_notify.h"

namespace verdictd {
namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto environment = std::make_unique<Environment>();
  environment->camera = Napi::Persistent(CameraWrap::define(env));
  environment->ring = Napi::Persistent(RingWrap::define(env));
  environment->lock = Napi::Persistent(LockWrap::define(env));
  exports.Set("Camera", environment->camera.Value());
  exports.Set("createRing", Napi::Function::New(env, RingWrap::create, "createRing"));
  exports.Set("openRing", Napi::Function::New(env, RingWrap::open, "openRing"));
  exports.Set("preprocess", Napi::Function::New(env, preprocess_once, "preprocess"));
  exports.Set("notify", Napi::Function::New(env, notify, "notify"));
  exports.Set("lockFile", Napi::Function::New(env, LockWrap::lock_file, "lockFile"));
  exports.Set("endWithin", Napi::Function::New(env, end_within, "endWithin"));
  env.SetInstanceData(environment.release());  // deleted with the environment
  return exports;
}

}  // namespace
}  // namespace verdictd

static Napi::Object init_addon(Napi::Env env, Napi::Object exports) { return verdictd::init(env, exports); }
NODE_API_MODULE(verdictd, init_addon)
