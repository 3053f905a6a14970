#include "frame/ring_wrap.h"

#include <algorithm>
#include <string>

#include "args.h"
#include "environment.h"
#include "frame/develop.h"

namespace verdictd {
namespace {

constexpr uint64_t kMaxSlots = 64;

// What wrap() hands to the constructor of the object it makes; JavaScript that calls the constructor itself finds nothing.
struct Handed {
  std::shared_ptr<Ring> ring;
  bool owner;
};
thread_local Handed handed{nullptr, false};

// A slot that is being read here: it is not filled again before this goes.
class Pin {
 public:
  Pin(Napi::Env env, const std::shared_ptr<Ring>& ring, const Lease& lease) : ring_(ring), slot_(lease.slot) {
    if (!ring->pin(lease)) {
      throw Napi::Error::New(env, "lease " + std::to_string(lease.number) + " of slot " + std::to_string(lease.slot) +
                                      " is not in force: the frame was released already");
    }
  }
  ~Pin() { ring_->unpin(slot_); }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;

 private:
  const std::shared_ptr<Ring> ring_;
  const uint32_t slot_;
};

}  // namespace

Napi::Function RingWrap::define(Napi::Env env) {
  return DefineClass(env, "Ring",
                     {
                         InstanceAccessor<&RingWrap::id>("id"),
                         InstanceAccessor<&RingWrap::slots>("slots"),
                         InstanceAccessor<&RingWrap::width>("width"),
                         InstanceAccessor<&RingWrap::height>("height"),
                         InstanceAccessor<&RingWrap::free>("free"),
                         InstanceMethod<&RingWrap::tensor>("tensor"),
                         InstanceMethod<&RingWrap::copy>("copy"),
                         InstanceMethod<&RingWrap::thumbnail>("thumbnail"),
                         InstanceMethod<&RingWrap::develop>("develop"),
                         InstanceMethod<&RingWrap::release>("release"),
                         InstanceMethod<&RingWrap::retire>("retire"),
                     });
}

RingWrap::RingWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  if (handed.ring == nullptr) throw Napi::TypeError::New(info.Env(), "a Ring is made by createRing or openRing, not by new");
  ring_ = std::move(handed.ring);
  owner_ = handed.owner;
  shape_ = ring_->shape();
  id_ = ring_->id();
}

RingWrap::~RingWrap() {
  if (owner_ && ring_ != nullptr) ring_->retire();
}

Napi::Value RingWrap::wrap(Napi::Env env, std::shared_ptr<Ring> ring, bool owner) {
  handed = {std::move(ring), owner};
  try {
    return Environment::of(env).ring.New({});
  } catch (...) {
    // Not taken: nobody else must find it.
    handed.ring.reset();
    throw;
  }
}

Napi::Value RingWrap::create(const Napi::CallbackInfo& info) {
  const Napi::Object from = args::object(args::at(info, 0), "the ring");
  RingShape shape;
  shape.slots = static_cast<uint32_t>(args::whole(from.Get("slots"), "ring.slots", 1, kMaxSlots));
  shape.width = static_cast<uint32_t>(args::whole(from.Get("width"), "ring.width", 1, kMaxTensorSide));
  shape.height = static_cast<uint32_t>(args::whole(from.Get("height"), "ring.height", 1, kMaxTensorSide));
  Environment::of(info.Env()).sweep();
  try {
    return wrap(info.Env(), Ring::create(shape), true);
  } catch (const std::bad_alloc&) {
    throw Napi::Error::New(info.Env(), "not enough memory for a ring of " + std::to_string(shape.slots) + " slots");
  }
}

Napi::Value RingWrap::open(const Napi::CallbackInfo& info) {
  const auto id = static_cast<uint32_t>(args::whole(args::at(info, 0), "the ring's id", 1, UINT32_MAX));
  Environment::of(info.Env()).sweep();
  std::shared_ptr<Ring> ring = Ring::find(id);
  if (ring == nullptr) throw Napi::Error::New(info.Env(), "there is no ring " + std::to_string(id) + ": its camera was stopped");
  return wrap(info.Env(), std::move(ring), false);
}

const std::shared_ptr<Ring>& RingWrap::ring(Napi::Env env) const {
  if (ring_ == nullptr) throw Napi::Error::New(env, "ring " + std::to_string(id_) + " is gone: its camera was stopped");
  return ring_;
}

uint32_t RingWrap::slot(const Napi::CallbackInfo& info) const {
  return static_cast<uint32_t>(args::whole(args::at(info, 0), "the slot", 0, shape_.slots - 1));
}

Lease RingWrap::lease(const Napi::CallbackInfo& info) const {
  return {slot(info), args::whole(args::at(info, 1), "the lease", 1, args::kMaxInteger)};
}

void RingWrap::let_go() {
  if (ring_ != nullptr && ring_->retired() && ring_->free() == shape_.slots) ring_.reset();
}

Napi::Value RingWrap::id(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), id_); }
Napi::Value RingWrap::slots(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), shape_.slots); }
Napi::Value RingWrap::width(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), shape_.width); }
Napi::Value RingWrap::height(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), shape_.height); }
Napi::Value RingWrap::free(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), ring_ == nullptr ? shape_.slots : ring_->free());
}

Napi::Value RingWrap::tensor(const Napi::CallbackInfo& info) {
  const uint32_t index = slot(info);
  return Environment::of(info.Env()).tensor(info.Env(), ring(info.Env()), index);
}

Napi::Value RingWrap::copy(const Napi::CallbackInfo& info) {
  const Lease held = lease(info);
  const Pin pin(info.Env(), ring(info.Env()), held);
  const size_t n = ring_->tensor_values();
  Napi::Float32Array to = Napi::Float32Array::New(info.Env(), n);
  std::copy_n(ring_->tensor(held.slot), n, to.Data());
  return to;
}

Napi::Value RingWrap::thumbnail(const Napi::CallbackInfo& info) {
  const Lease held = lease(info);
  const Pin pin(info.Env(), ring(info.Env()), held);
  const Picture& picture = ring_->thumbnail(held.slot);
  if (picture.width == 0) throw Napi::Error::New(info.Env(), "this camera was started without thumbnails");
  const Napi::Object out = Napi::Object::New(info.Env());
  out.Set("width", picture.width);
  out.Set("height", picture.height);
  out.Set("data", Napi::Buffer<uint8_t>::Copy(info.Env(), picture.rgb.data(), picture.rgb.size()));
  return out;
}

Napi::Value RingWrap::develop(const Napi::CallbackInfo& info) {
  const Lease held = lease(info);
  const Pin pin(info.Env(), ring(info.Env()), held);
  std::optional<RawPicture> raw = ring_->take_raw(held);
  if (!raw) {
    throw Napi::Error::New(info.Env(), "no frame is kept in slot " + std::to_string(held.slot) +
                                           ": it was taken already, or the camera was started without keepRaw");
  }
  return verdictd::develop(info.Env(), ring_, std::move(*raw));
}

void RingWrap::release(const Napi::CallbackInfo& info) {
  const Lease held = lease(info);
  const Ring::Released released = ring(info.Env())->release(held);
  if (released != Ring::Released::yes) {
    throw Napi::Error::New(info.Env(), "slot " + std::to_string(held.slot) + " is not held under lease " + std::to_string(held.number) +
                                           (released == Ring::Released::not_leased ? ": it was released already"
                                                                                   : ": another frame lies in it by now"));
  }
  let_go();
}

void RingWrap::retire(const Napi::CallbackInfo&) {
  if (ring_ == nullptr) return;
  if (owner_) ring_->retire();
  let_go();
}

}  // namespace verdictd
