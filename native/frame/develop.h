// A whole frame in colour, for the evidence, made off the main thread.
#pragma once

#include <napi.h>

#include <memory>

#include "frame/ring.h"

namespace verdictd {

// Resolves with {width, height, data} (interleaved RGB, 8 bit), Bayer frames demosaiced bilinearly; frames wider than
// ThumbnailPass::kMaxWidth are reduced to that. The memory of `raw` goes back to its ring.
Napi::Promise develop(Napi::Env env, std::shared_ptr<Ring> ring, RawPicture raw);

}  // namespace verdictd
