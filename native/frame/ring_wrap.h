// The JavaScript face of a ring: translation only.
#pragma once

#include <napi.h>

#include <memory>

#include "frame/ring.h"

namespace verdictd {

// In the environment that created the ring this object owns it: retire() or its end retires the ring. Elsewhere it is a view.
// It lets go of the memory as soon as the ring is retired and the last lease has come back.
class RingWrap final : public Napi::ObjectWrap<RingWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit RingWrap(const Napi::CallbackInfo& info);
  ~RingWrap() override;

  // createRing({slots, width, height}) and openRing(id).
  static Napi::Value create(const Napi::CallbackInfo& info);
  static Napi::Value open(const Napi::CallbackInfo& info);

 private:
  static Napi::Value wrap(Napi::Env env, std::shared_ptr<Ring> ring, bool owner);

  Napi::Value id(const Napi::CallbackInfo& info);
  Napi::Value slots(const Napi::CallbackInfo& info);
  Napi::Value width(const Napi::CallbackInfo& info);
  Napi::Value height(const Napi::CallbackInfo& info);
  Napi::Value free(const Napi::CallbackInfo& info);
  Napi::Value tensor(const Napi::CallbackInfo& info);
  Napi::Value copy(const Napi::CallbackInfo& info);
  Napi::Value thumbnail(const Napi::CallbackInfo& info);
  // Takes the frame that was kept out of the slot; resolves with all of it in colour.
  Napi::Value develop(const Napi::CallbackInfo& info);
  void release(const Napi::CallbackInfo& info);
  void retire(const Napi::CallbackInfo& info);

  const std::shared_ptr<Ring>& ring(Napi::Env env) const;
  Lease lease(const Napi::CallbackInfo& info) const;
  uint32_t slot(const Napi::CallbackInfo& info) const;
  void let_go();

  std::shared_ptr<Ring> ring_;
  bool owner_ = false;
  RingShape shape_;
  uint32_t id_ = 0;
};

}  // namespace verdictd
