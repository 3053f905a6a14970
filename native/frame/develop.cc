#include "frame/develop.h"

#include <algorithm>
#include <utility>

#include "frame/thumbnail.h"

namespace verdictd {
namespace {

class Develop final : public Napi::AsyncWorker {
 public:
  Develop(Napi::Env env, std::shared_ptr<Ring> ring, RawPicture raw)
      : AsyncWorker(env, "verdictd develop"),
        deferred_(Napi::Promise::Deferred::New(env)),
        ring_(std::move(ring)),
        raw_(std::move(raw)),
        picture_(std::make_unique<Picture>()) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override {
    ThumbnailPass pass(std::clamp(raw_.image.width, ThumbnailPass::kMinWidth, ThumbnailPass::kMaxWidth));
    pass.begin(raw_.image, *picture_);
    pass.advance(raw_.image, raw_.image.height, *picture_);
    ring_->give_back(std::move(raw_));
  }

  void OnOK() override {
    const Napi::Env env = Env();
    const Napi::Object out = Napi::Object::New(env);
    out.Set("width", picture_->width);
    out.Set("height", picture_->height);
    // Handed over, not copied: a whole frame is 26 MB in colour. The buffer owns the picture from here on.
    Picture* const handed = picture_.release();
    const auto free = [](Napi::Env, uint8_t*, Picture* mine) { std::unique_ptr<Picture>{mine}.reset(); };
    out.Set("data", Napi::Buffer<uint8_t>::New(env, handed->rgb.data(), handed->rgb.size(), free, handed));
    deferred_.Resolve(out);
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  const Napi::Promise::Deferred deferred_;
  const std::shared_ptr<Ring> ring_;
  RawPicture raw_;
  std::unique_ptr<Picture> picture_;
};

}  // namespace

Napi::Promise develop(Napi::Env env, std::shared_ptr<Ring> ring, RawPicture raw) {
  // AsyncWorker deletes itself when it is done: that is its contract, and no other owner may exist.
  auto worker = std::make_unique<Develop>(env, std::move(ring), std::move(raw));
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  static_cast<void>(worker.release());
  return promise;
}

}  // namespace verdictd
