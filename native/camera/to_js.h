// What the camera thread says, as JavaScript values.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "camera/outbox.h"
#include "camera/thread.h"

namespace verdictd {

Napi::Object to_js(Napi::Env env, const DeviceInfo& info);
Napi::Object to_js(Napi::Env env, const Feature& feature);
Napi::Object to_js(Napi::Env env, const DeviceList& list);
Napi::Array to_js(Napi::Env env, const std::vector<std::string>& texts);
Napi::Object to_js(Napi::Env env, const Snapshot& snapshot);
Napi::Object to_js(Napi::Env env, const Quality& quality);
Napi::Object to_js(Napi::Env env, const FrameEvent& event);
Napi::Object to_js(Napi::Env env, const FaultEvent& event);
Napi::Object to_js(Napi::Env env, const ThreadHealth& health, uint64_t dropped_faults);
// An Error with `cause` and `number` of the backend's.
Napi::Error to_js(Napi::Env env, const BackendError& error);

}  // namespace verdictd
