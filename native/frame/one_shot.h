// Preprocessing of one picture off the JavaScript thread: for commands that look at a picture once, and for teaching.
#pragma once

#include <napi.h>

namespace verdictd {

// preprocess(image, input, {thumbnailWidth?, resized?}): a promise of {tensor, quality, thumbnail, resized}.
Napi::Value preprocess_once(const Napi::CallbackInfo& info);

}  // namespace verdictd
