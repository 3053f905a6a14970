// What one JavaScript environment (the main thread, a worker) owns of this addon. Nothing here is shared between threads.
#pragma once

#include <napi.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "frame/ring.h"

namespace verdictd {

class Environment {
 public:
  // The instance data of this environment; made by the addon's init.
  static Environment& of(Napi::Env env);

  Napi::FunctionReference camera;
  Napi::FunctionReference ring;
  Napi::FunctionReference lock;

  // The view of a slot: one per slot and environment, the same each time. It keeps the ring alive.
  Napi::Float32Array tensor(Napi::Env env, const std::shared_ptr<Ring>& ring, uint32_t slot);
  // Lets go of the views of rings whose owner is done: from here on the garbage collector decides.
  void sweep();

 private:
  struct Views {
    std::weak_ptr<Ring> ring;
    bool held = true;
    std::vector<Napi::Reference<Napi::Float32Array>> slots;
  };
  std::map<uint32_t, Views> views_;
};

}  // namespace verdictd
