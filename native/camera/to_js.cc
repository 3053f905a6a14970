#include "camera/to_js.h"

#include <string>

namespace verdictd {
namespace {

Napi::Value or_null(Napi::Env env, const std::optional<double>& value) {
  return value ? Napi::Number::New(env, *value) : env.Null();
}

// Ids and counters of a camera stay below 2^53 for longer than any camera lives.
Napi::Number count(Napi::Env env, uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

Napi::Value chunk_to_js(Napi::Env env, const std::optional<Chunk>& chunk) {
  if (!chunk) return env.Null();
  const Napi::Object out = Napi::Object::New(env);
  out.Set("FrameID", or_null(env, chunk->frame_id));
  out.Set("Timestamp", or_null(env, chunk->timestamp));
  out.Set("ExposureTime", or_null(env, chunk->exposure_time));
  out.Set("Gain", or_null(env, chunk->gain));
  return out;
}

}  // namespace

Napi::Object to_js(Napi::Env env, const DeviceList& list) {
  const Napi::Object out = Napi::Object::New(env);
  out.Set("library", list.library);
  out.Set("version", list.version);
  const Napi::Array devices = Napi::Array::New(env, list.devices.size());
  for (uint32_t i = 0; i < list.devices.size(); i++) {
    const DeviceEntry& one = list.devices[i];
    const Napi::Object entry = Napi::Object::New(env);
    entry.Set("vendor", one.vendor);
    entry.Set("model", one.model);
    entry.Set("serial", one.serial);
    entry.Set("speed", one.speed);
    entry.Set("access", one.access);
    entry.Set("location", one.location);
    devices.Set(i, entry);
  }
  out.Set("devices", devices);
  return out;
}

Napi::Array to_js(Napi::Env env, const std::vector<std::string>& texts) {
  const Napi::Array out = Napi::Array::New(env, texts.size());
  for (uint32_t i = 0; i < texts.size(); i++) out.Set(i, texts[i]);
  return out;
}

Napi::Object to_js(Napi::Env env, const Snapshot& snapshot) {
  const Napi::Object out = Napi::Object::New(env);
  out.Set("width", snapshot.width);
  out.Set("height", snapshot.height);
  out.Set("stride", static_cast<double>(snapshot.data.size() / snapshot.height));
  out.Set("pixelFormat", std::string(name_of(snapshot.format)));
  out.Set("data", Napi::Buffer<uint8_t>::Copy(env, snapshot.data.data(), snapshot.data.size()));
  out.Set("frameId", count(env, snapshot.frame_id));
  out.Set("exposed", snapshot.exposed);
  out.Set("chunk", chunk_to_js(env, snapshot.chunk));
  return out;
}

Napi::Object to_js(Napi::Env env, const DeviceInfo& info) {
  const Napi::Object out = Napi::Object::New(env);
  out.Set("vendor", info.vendor);
  out.Set("model", info.model);
  out.Set("serial", info.serial);
  out.Set("library", info.library);
  return out;
}

Napi::Object to_js(Napi::Env env, const Feature& feature) {
  const Napi::Object out = Napi::Object::New(env);
  if (const auto* flag = std::get_if<bool>(&feature.value)) out.Set("value", *flag);
  if (const auto* whole = std::get_if<int64_t>(&feature.value)) out.Set("value", static_cast<double>(*whole));
  if (const auto* real = std::get_if<double>(&feature.value)) out.Set("value", *real);
  if (const auto* text = std::get_if<std::string>(&feature.value)) out.Set("value", *text);
  out.Set("unit", feature.unit);
  out.Set("writable", feature.writable);
  out.Set("min", or_null(env, feature.min));
  out.Set("max", or_null(env, feature.max));
  out.Set("increment", or_null(env, feature.increment));
  out.Set("entries", to_js(env, feature.entries));
  return out;
}

Napi::Object to_js(Napi::Env env, const Quality& quality) {
  const Napi::Object out = Napi::Object::New(env);
  out.Set("mean", quality.mean);
  out.Set("dark", quality.dark);
  out.Set("bright", quality.bright);
  out.Set("sharpness", quality.sharpness);
  return out;
}

Napi::Object to_js(Napi::Env env, const FrameEvent& event) {
  const Napi::Object out = Napi::Object::New(env);
  out.Set("kind", "frame");
  out.Set("slot", event.lease.slot);
  out.Set("lease", count(env, event.lease.number));
  out.Set("frameId", count(env, event.frame_id));
  out.Set("tag", count(env, event.tag));
  out.Set("width", event.width);
  out.Set("height", event.height);
  out.Set("pixelFormat", std::string(name_of(event.format)));
  out.Set("exposed", event.exposed);
  out.Set("ready", event.ready);
  out.Set("quality", to_js(env, event.quality));
  out.Set("chunk", chunk_to_js(env, event.chunk));
  return out;
}

Napi::Object to_js(Napi::Env env, const FaultEvent& event) {
  const Napi::Object out = Napi::Object::New(env);
  out.Set("kind", "fault");
  out.Set("cause", event.cause);
  out.Set("detail", event.detail);
  out.Set("at", event.at);
  out.Set("tag", count(env, event.tag));
  return out;
}

Napi::Object to_js(Napi::Env env, const ThreadHealth& health, uint64_t dropped_faults) {
  const Napi::Object out = Napi::Object::New(env);
  out.Set("connected", health.connected);
  out.Set("alive", health.alive);
  out.Set("frames", count(env, health.frames));
  const Napi::Object faults = Napi::Object::New(env);
  for (const auto& [cause, n] : health.faults) faults.Set(cause, count(env, n));
  out.Set("faults", faults);
  out.Set("droppedFaults", count(env, dropped_faults));
  out.Set("temperature", or_null(env, health.temperature));
  const Napi::Object values = Napi::Object::New(env);
  for (const auto& [name, value] : health.values) values.Set(name, value);
  out.Set("values", values);
  return out;
}

Napi::Error to_js(Napi::Env env, const BackendError& error) {
  Napi::Error out = Napi::Error::New(env, error.what());
  out.Set("cause", Napi::String::New(env, error.cause));
  out.Set("number", Napi::Number::New(env, static_cast<double>(error.number)));
  return out;
}

}  // namespace verdictd
