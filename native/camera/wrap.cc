#include "camera/wrap.h"

#include <optional>
#include <string>
#include <utility>

#include "args.h"
#include "backends/aravis.h"
#include "backends/spinnaker.h"
#include "camera/monotonic.h"
#include "camera/to_js.h"
#include "environment.h"

namespace verdictd {
namespace {

// Longest wait for a thread when its environment ends: an SDK call that hangs longer is left alone.
constexpr std::chrono::milliseconds kExitPatience(2000);
constexpr double kMaxMs = 1e15;
// Longest wait that may be asked of a camera, ms.
constexpr double kMaxWait = 600000;

std::chrono::milliseconds duration(const Napi::Value& value, const std::string& what) {
  return std::chrono::milliseconds(static_cast<int64_t>(args::number(value, what, 0, kMaxWait)));
}

// {width, height, pixelFormat, late, frameTimeout}; absent: nothing is expected.
Expected expected_of(const Napi::Value& value) {
  Expected out;
  if (value.IsUndefined()) return out;
  const Napi::Object object = args::object(value, "expected");
  out.width = static_cast<uint32_t>(args::whole(object.Get("width"), "expected.width", 0, kMaxSide));
  out.height = static_cast<uint32_t>(args::whole(object.Get("height"), "expected.height", 0, kMaxSide));
  out.format = args::pixel_format(object.Get("pixelFormat"), "expected.pixelFormat");
  out.late = args::number(object.Get("late"), "expected.late", 0, kMaxWait);
  out.frame_timeout = args::number(object.Get("frameTimeout"), "expected.frameTimeout", 0, kMaxWait);
  return out;
}

std::string text_or_none(const Napi::Value& value, const std::string& what) {
  const bool none = value.IsString() && value.As<Napi::String>().Utf8Value().empty();
  return none ? "" : args::text(value, what);
}

std::shared_ptr<Backend> make_spinnaker(const Napi::Object& options) {
  SpinnakerOptions out;
  out.library = text_or_none(options.Get("library"), "library");
  out.serial = text_or_none(options.Get("serial"), "serial");
  out.accept_output = text_or_none(options.Get("acceptOutput"), "acceptOutput");
  return std::make_shared<SpinnakerBackend>(std::move(out));
}

std::shared_ptr<Backend> make_aravis(const Napi::Object& options) {
  AravisOptions out;
  out.library = text_or_none(options.Get("library"), "library");
  out.device = text_or_none(options.Get("device"), "device");
  out.accept_output = text_or_none(options.Get("acceptOutput"), "acceptOutput");
  out.buffers = static_cast<uint32_t>(args::whole(options.Get("buffers"), "buffers", 1, 1000));
  out.packet_size = static_cast<uint32_t>(args::whole(options.Get("packetSize"), "packetSize", 0, 65535));
  out.packet_delay = static_cast<int64_t>(args::number(options.Get("packetDelay"), "packetDelay", -1, 1e9));
  out.socket_buffer = static_cast<uint32_t>(args::whole(options.Get("socketBuffer"), "socketBuffer", 0, 1 << 30));
  out.packet_socket = args::boolean(options.Get("packetSocket"), "packetSocket");
  return std::make_shared<AravisBackend>(std::move(out));
}

FeatureValue feature_value(const Napi::Value& value) {
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value();
  if (value.IsString()) return args::text(value, "the value");
  // GenICam tells whole numbers from real ones by the feature, not by the value: the backend converts.
  return args::number(value, "the value", -1e18, 1e18);
}

// The camera whose place a new one takes; null for undefined.
CameraWrap* camera_before(const Napi::Value& value) {
  if (value.IsUndefined()) return nullptr;
  const Napi::Env env = value.Env();
  const Napi::Function made_by = Environment::of(env).camera.Value();
  if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(made_by)) {
    throw Napi::TypeError::New(env, "expected a Camera for before, received " + args::describe(value));
  }
  return CameraWrap::Unwrap(value.As<Napi::Object>());
}

}  // namespace

Napi::Function CameraWrap::define(Napi::Env env) {
  return DefineClass(env, "Camera",
                     {
                         InstanceMethod<&CameraWrap::list>("list"),
                         InstanceMethod<&CameraWrap::open>("open"),
                         InstanceMethod<&CameraWrap::features>("features"),
                         InstanceMethod<&CameraWrap::get>("get"),
                         InstanceMethod<&CameraWrap::set>("set"),
                         InstanceMethod<&CameraWrap::execute>("execute"),
                         InstanceMethod<&CameraWrap::start>("start"),
                         InstanceMethod<&CameraWrap::fire>("fire"),
                         InstanceMethod<&CameraWrap::snap>("snap"),
                         InstanceMethod<&CameraWrap::accept>("accept"),
                         InstanceMethod<&CameraWrap::stop>("stop"),
                         InstanceMethod<&CameraWrap::close>("close"),
                         InstanceMethod<&CameraWrap::health>("health"),
                         InstanceMethod<&CameraWrap::push>("push"),
                         InstanceMethod<&CameraWrap::push_fault>("pushFault"),
                         InstanceMethod<&CameraWrap::push_end>("pushEnd"),
                     });
}

CameraWrap::CameraWrap(const Napi::CallbackInfo& info) : ObjectWrap(info), environment_(info.Env()) {
  const Napi::Object options = args::object(args::at(info, 0), "the camera's options");
  const std::string name = args::text(options.Get("backend"), "backend");
  const Napi::Function callback = args::function(args::at(info, 1), "onEvent");
  const CameraWrap* before = camera_before(args::at(info, 2));
  memory_ = before == nullptr ? std::make_shared<PictureMemory>() : before->memory_;
  outbox_ = std::make_shared<Outbox>();
  std::shared_ptr<Backend> backend;
  if (name == "pushed") {
    backend = pushed_ = std::make_shared<PushedBackend>(outbox_);
  } else if (name == "spinnaker") {
    backend = make_spinnaker(options);
  } else if (name == "aravis") {
    backend = make_aravis(options);
  } else {
    throw Napi::RangeError::New(info.Env(), "expected 'pushed', 'spinnaker' or 'aravis' for backend, received '" + name + "'");
  }
  // Room for one signal: a second one says nothing that the first does not say. What is to be said lies in the outbox.
  signal_ = Signal::New(info.Env(), callback, "verdictd camera", 1, 1, this);
  outbox_->listen([signal = signal_]() mutable { static_cast<void>(signal.NonBlockingCall()); });
  try {
    thread_ = std::make_unique<CameraThread>(backend, outbox_);
  } catch (const std::exception& error) {
    // Without a thread there is nothing to shut; only the signal must not keep Node's loop alive.
    outbox_->quiet();
    signal_.Abort();
    throw Napi::Error::New(info.Env(), std::string("the camera's thread cannot be started: ") + error.what() +
                                           ". Raise the limit of threads (systemd: TasksMax=)");
  }
  // From here on nothing throws: the hook must not outlive `this`. Registered after the signal was made, so that it runs before the
  // signal dies.
  napi_add_env_cleanup_hook(environment_, at_exit, this);
  running_ = true;
  // Not garbage while its thread runs.
  Ref();
}

CameraWrap::~CameraWrap() { shut(); }

void CameraWrap::at_exit(void* self) { static_cast<CameraWrap*>(self)->shut(); }

void CameraWrap::shut() {
  if (!running_) return;
  running_ = false;
  napi_remove_env_cleanup_hook(environment_, at_exit, this);
  outbox_->quiet();
  thread_->end(kExitPatience);
  thread_.reset();
  signal_.Abort();
}

void CameraWrap::on_signal(Napi::Env env, Napi::Function callback, CameraWrap* self, void*) {
  // Without an environment there is nobody to tell, and `self` may be gone.
  if (env == nullptr || callback.IsEmpty()) return;
  self->deliver(env, callback);
}

void CameraWrap::deliver(Napi::Env env, Napi::Function callback) {
  for (const Event& event : outbox_->drain()) {
    // A callback that throws must not cost the events behind it, and must not pass unnoticed (Node would only warn): it is an
    // uncaught exception like that of any other callback.
    try {
      const Napi::HandleScope scope(env);
      handle(env, callback, event);
    } catch (const Napi::Error& error) {
      napi_fatal_exception(env, error.Value());
    }
  }
}

void CameraWrap::handle(Napi::Env env, Napi::Function callback, const Event& event) {
  if (const auto* frame = std::get_if<FrameEvent>(&event)) {
    callback.Call({to_js(env, *frame)});
  } else if (const auto* fault = std::get_if<FaultEvent>(&event)) {
    callback.Call({to_js(env, *fault)});
  } else if (const auto* freed = std::get_if<FreedEvent>(&event)) {
    const Napi::Object out = Napi::Object::New(env);
    out.Set("kind", "freed");
    out.Set("tag", static_cast<double>(freed->tag));
    callback.Call({out});
  } else if (std::holds_alternative<EndEvent>(event)) {
    const Napi::Object out = Napi::Object::New(env);
    out.Set("kind", "end");
    callback.Call({out});
  } else if (const auto* answer = std::get_if<AnswerEvent>(&event)) {
    const auto found = waiting_.find(answer->request);
    if (found == waiting_.end()) return;
    const Napi::Promise::Deferred deferred = found->second;
    waiting_.erase(found);
    if (const auto* error = std::get_if<BackendError>(&answer->result)) {
      deferred.Reject(to_js(env, *error).Value());
    } else if (const auto* info = std::get_if<DeviceInfo>(&answer->result)) {
      deferred.Resolve(to_js(env, *info));
    } else if (const auto* feature = std::get_if<Feature>(&answer->result)) {
      deferred.Resolve(to_js(env, *feature));
    } else if (const auto* list = std::get_if<DeviceList>(&answer->result)) {
      deferred.Resolve(to_js(env, *list));
    } else if (const auto* names = std::get_if<std::vector<std::string>>(&answer->result)) {
      deferred.Resolve(to_js(env, *names));
    } else if (const auto* snapshot = std::get_if<Snapshot>(&answer->result)) {
      deferred.Resolve(to_js(env, *snapshot));
    } else {
      deferred.Resolve(env.Undefined());
    }
  } else {
    const std::unique_ptr<Napi::Promise::Deferred> closing = std::move(closing_);
    shut();
    Unref();
    if (closing != nullptr) closing->Resolve(env.Undefined());
  }
}

Napi::Value CameraWrap::request(Napi::Env env, Command command) {
  const uint64_t number = ++last_request_;
  const Napi::Promise::Deferred deferred = Napi::Promise::Deferred::New(env);
  if (running_ && thread_->post(number, std::move(command))) {
    waiting_.emplace(number, deferred);
  } else {
    deferred.Reject(to_js(env, BackendError("closed", "the camera was closed")).Value());
  }
  return deferred.Promise();
}

Napi::Value CameraWrap::list(const Napi::CallbackInfo& info) { return request(info.Env(), ListCommand{}); }
Napi::Value CameraWrap::open(const Napi::CallbackInfo& info) { return request(info.Env(), OpenCommand{}); }
Napi::Value CameraWrap::features(const Napi::CallbackInfo& info) { return request(info.Env(), FeaturesCommand{}); }

Napi::Value CameraWrap::get(const Napi::CallbackInfo& info) {
  return request(info.Env(), GetCommand{args::text(args::at(info, 0), "the feature's name")});
}

Napi::Value CameraWrap::set(const Napi::CallbackInfo& info) {
  std::string name = args::text(args::at(info, 0), "the feature's name");
  return request(info.Env(), SetCommand{std::move(name), feature_value(args::at(info, 1))});
}

Napi::Value CameraWrap::execute(const Napi::CallbackInfo& info) {
  return request(info.Env(), ExecuteCommand{args::text(args::at(info, 0), "the command's name")});
}

Napi::Value CameraWrap::start(const Napi::CallbackInfo& info) {
  const Napi::Object options = args::object(args::at(info, 0), "the stream");
  StreamSetup setup;
  setup.input = args::input_spec(options.Get("input"), "input");
  setup.thumbnail_width = args::thumbnail_width(options.Get("thumbnailWidth"), "thumbnailWidth");
  const Napi::Value keep_raw = options.Get("keepRaw");
  if (!keep_raw.IsUndefined()) setup.keep_raw = args::boolean(keep_raw, "keepRaw");
  const auto id = static_cast<uint32_t>(args::whole(options.Get("ring"), "the ring's id", 1, UINT32_MAX));
  setup.ring = Ring::find(id);
  if (setup.ring == nullptr) throw Napi::RangeError::New(info.Env(), "there is no ring " + std::to_string(id));
  const RingShape& shape = setup.ring->shape();
  if (shape.width != setup.input.width || shape.height != setup.input.height) {
    throw Napi::RangeError::New(info.Env(), "the ring's slots are " + std::to_string(shape.width) + " x " + std::to_string(shape.height) +
                                                ", the input is " + std::to_string(setup.input.width) + " x " +
                                                std::to_string(setup.input.height));
  }
  setup.expected = expected_of(options.Get("expected"));
  setup.memory = memory_;
  return request(info.Env(), StartCommand{std::move(setup)});
}

Napi::Value CameraWrap::fire(const Napi::CallbackInfo& info) { return request(info.Env(), FireCommand{}); }

Napi::Value CameraWrap::snap(const Napi::CallbackInfo& info) {
  return request(info.Env(), SnapCommand{duration(args::at(info, 0), "the time to wait")});
}

Napi::Value CameraWrap::accept(const Napi::CallbackInfo& info) {
  const double until = args::number(args::at(info, 0), "the latest time to accept", 0, kMaxMs);
  return request(info.Env(), AcceptCommand{monotonic_ms(), until, duration(args::at(info, 1), "the time to accept")});
}

Napi::Value CameraWrap::stop(const Napi::CallbackInfo& info) { return request(info.Env(), StopCommand{}); }

Napi::Value CameraWrap::close(const Napi::CallbackInfo& info) {
  if (closing_ == nullptr) {
    closing_ = std::make_unique<Napi::Promise::Deferred>(Napi::Promise::Deferred::New(info.Env()));
    const Napi::Promise promise = closing_->Promise();
    if (running_) {
      thread_->finish();
    } else {
      closing_->Resolve(info.Env().Undefined());
      closing_.reset();
    }
    return promise;
  }
  return closing_->Promise();
}

Napi::Value CameraWrap::health(const Napi::CallbackInfo& info) {
  return to_js(info.Env(), running_ ? thread_->health() : ThreadHealth{}, outbox_->dropped_faults());
}

PushedBackend& CameraWrap::pushed(Napi::Env env) const {
  if (pushed_ == nullptr) throw Napi::Error::New(env, "this camera takes its pictures itself: nothing can be pushed");
  if (!running_) throw Napi::Error::New(env, "the camera was closed");
  return *pushed_;
}

void CameraWrap::push(const Napi::CallbackInfo& info) {
  RawFrame frame;
  frame.tag = args::whole(args::at(info, 1), "the tag", 1, args::kMaxInteger);
  frame.exposed = args::number(args::at(info, 2), "exposed", 0, kMaxMs);
  frame.image = args::image(args::at(info, 0), "image");
  const char* refused = refusal(frame.image, InputSpec{});
  if (*refused != '\0') throw Napi::RangeError::New(info.Env(), refused);
  PushedBackend& backend = pushed(info.Env());
  switch (backend.push(frame)) {
    case PushedBackend::Pushed::yes:
      return;
    case PushedBackend::Pushed::tag_in_use:
      throw Napi::RangeError::New(info.Env(), "tag " + std::to_string(frame.tag) + " is in use");
    case PushedBackend::Pushed::full:
      throw Napi::Error::New(info.Env(), "the queue is full: wait until a picture is freed");
  }
}

void CameraWrap::push_fault(const Napi::CallbackInfo& info) {
  RawFault fault;
  fault.cause = args::text(args::at(info, 0), "the cause");
  fault.detail = args::text(args::at(info, 1), "the detail");
  fault.tag = args::whole(args::at(info, 2), "the tag", 0, args::kMaxInteger);
  if (!pushed(info.Env()).push(fault)) throw Napi::Error::New(info.Env(), "the queue is full: wait until a picture is freed");
}

void CameraWrap::push_end(const Napi::CallbackInfo& info) {
  if (!pushed(info.Env()).push_end()) throw Napi::Error::New(info.Env(), "the queue is full: wait until a picture is freed");
}

}  // namespace verdictd
