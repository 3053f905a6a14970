#include "frame/one_shot.h"

#include <algorithm>
#include <vector>

#include "args.h"
#include "camera/to_js.h"
#include "frame/packed.h"
#include "frame/preprocess.h"

namespace verdictd {
namespace {

// The picture is copied: while the work waits for a thread of the pool, JavaScript can hand its memory to another thread.
class OneShot final : public Napi::AsyncWorker {
 public:
  OneShot(Napi::Env env, const ImageView& image, const InputSpec& spec, uint32_t thumbnail_width, bool want_resized)
      : AsyncWorker(env, "verdictd preprocess"),
        deferred_(Napi::Promise::Deferred::New(env)),
        memory_(packed(image)),
        image_(view_of(image, memory_)),
        spec_(spec),
        thumbnail_width_(thumbnail_width),
        want_resized_(want_resized) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    const size_t values = static_cast<size_t>(spec_.width) * spec_.height * 3;
    tensor_.resize(values);
    if (want_resized_) resized_.resize(values);
    Outputs out;
    out.tensor = tensor_.data();
    out.resized = want_resized_ ? resized_.data() : nullptr;
    out.thumbnail = thumbnail_width_ > 0 ? &thumbnail_ : nullptr;
    quality_ = Preprocessor(spec_, thumbnail_width_).run(image_, out);
  }

  void OnOK() override {
    const Napi::Env env = Env();
    Napi::Float32Array tensor = Napi::Float32Array::New(env, tensor_.size());
    std::copy(tensor_.begin(), tensor_.end(), tensor.Data());
    const Napi::Object out = Napi::Object::New(env);
    out.Set("tensor", tensor);
    out.Set("quality", to_js(env, quality_));
    if (thumbnail_width_ > 0) {
      const Napi::Object picture = Napi::Object::New(env);
      picture.Set("width", thumbnail_.width);
      picture.Set("height", thumbnail_.height);
      picture.Set("data", Napi::Buffer<uint8_t>::Copy(env, thumbnail_.rgb.data(), thumbnail_.rgb.size()));
      out.Set("thumbnail", picture);
    }
    if (want_resized_) out.Set("resized", Napi::Buffer<uint8_t>::Copy(env, resized_.data(), resized_.size()));
    deferred_.Resolve(out);
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  const Napi::Promise::Deferred deferred_;
  const std::vector<uint8_t> memory_;
  const ImageView image_;
  const InputSpec spec_;
  const uint32_t thumbnail_width_;
  const bool want_resized_;
  std::vector<float> tensor_;
  std::vector<uint8_t> resized_;
  Picture thumbnail_;
  Quality quality_;
};

}  // namespace

Napi::Value preprocess_once(const Napi::CallbackInfo& info) {
  const InputSpec spec = args::input_spec(args::at(info, 1), "input");
  uint32_t thumbnail_width = 0;
  bool want_resized = false;
  const Napi::Value options = args::at(info, 2);
  if (!options.IsUndefined()) {
    const Napi::Object from = args::object(options, "the options");
    const Napi::Value width = from.Get("thumbnailWidth");
    if (!width.IsUndefined()) thumbnail_width = args::thumbnail_width(width, "thumbnailWidth");
    const Napi::Value resized = from.Get("resized");
    if (!resized.IsUndefined()) want_resized = args::boolean(resized, "resized");
  }
  const ImageView image = args::image(args::at(info, 0), "image");
  const char* refused = refusal(image, spec);
  if (*refused != '\0') throw Napi::RangeError::New(info.Env(), refused);
  // AsyncWorker deletes itself when it is done: that is its contract, and no other owner may exist.
  auto worker = std::make_unique<OneShot>(info.Env(), image, spec, thumbnail_width, want_resized);
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  static_cast<void>(worker.release());
  return promise;
}

}  // namespace verdictd
