#include "args.h"

#include <cmath>
#include <sstream>

#include "frame/thumbnail.h"

namespace verdictd::args {
namespace {

constexpr size_t kShownCharacters = 40;
constexpr size_t kMaxText = 4096;
constexpr double kMaxStride = 1 << 20;

[[noreturn]] void wrong_type(const Napi::Value& value, const std::string& what, const std::string& expected) {
  throw Napi::TypeError::New(value.Env(), "expected " + expected + " for " + what + ", received " + describe(value));
}

[[noreturn]] void wrong_value(const Napi::Value& value, const std::string& what, const std::string& expected) {
  throw Napi::RangeError::New(value.Env(), "expected " + expected + " for " + what + ", received " + describe(value));
}

std::string show(double v) {
  std::ostringstream out;
  out.precision(15);
  out << v;
  return out.str();
}

std::array<float, 3> triple(const Napi::Value& value, const std::string& what, double low, double high) {
  if (!value.IsArray() || value.As<Napi::Array>().Length() != 3) wrong_type(value, what, "an array of 3 numbers");
  const auto array = value.As<Napi::Array>();
  std::array<float, 3> out{};
  for (uint32_t i = 0; i < 3; i++) {
    out[i] = static_cast<float>(number(array.Get(i), what + "[" + std::to_string(i) + "]", low, high));
  }
  return out;
}

Region region(const Napi::Value& value, const std::string& what) {
  const Napi::Object from = object(value, what);
  Region out;
  out.x = static_cast<uint32_t>(whole(from.Get("x"), what + ".x", 0, kMaxSide - 1));
  out.y = static_cast<uint32_t>(whole(from.Get("y"), what + ".y", 0, kMaxSide - 1));
  out.width = static_cast<uint32_t>(whole(from.Get("width"), what + ".width", 1, kMaxSide));
  out.height = static_cast<uint32_t>(whole(from.Get("height"), what + ".height", 1, kMaxSide));
  return out;
}

void only(const Napi::Object& from, const char* key, const std::string& what, const char* word) {
  const Napi::Value value = from.Get(key);
  if (!value.IsString() || value.As<Napi::String>().Utf8Value() != word) {
    wrong_value(value, what + "." + key, std::string("'") + word + "'");
  }
}

}  // namespace

std::string describe(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      return value.As<Napi::Boolean>().Value() ? "true" : "false";
    case napi_number:
      return "the number " + show(value.As<Napi::Number>().DoubleValue());
    case napi_string: {
      const std::string s = value.As<Napi::String>().Utf8Value();
      return "the string '" + (s.size() > kShownCharacters ? s.substr(0, kShownCharacters) + "..." : s) + "'";
    }
    case napi_symbol:
      return "a symbol";
    case napi_function:
      return "a function";
    case napi_bigint:
      return "a bigint";
    default:
      if (value.IsArray()) return "an array of " + std::to_string(value.As<Napi::Array>().Length());
      if (value.IsTypedArray()) return "a typed array";
      return "an object";
  }
}

Napi::Value at(const Napi::CallbackInfo& info, size_t i) { return i < info.Length() ? info[i] : info.Env().Undefined(); }

Napi::Object object(const Napi::Value& value, const std::string& what) {
  if (!value.IsObject() || value.IsFunction()) wrong_type(value, what, "an object");
  return value.As<Napi::Object>();
}

Napi::Function function(const Napi::Value& value, const std::string& what) {
  if (!value.IsFunction()) wrong_type(value, what, "a function");
  return value.As<Napi::Function>();
}

std::string text(const Napi::Value& value, const std::string& what) {
  if (!value.IsString()) wrong_type(value, what, "a string");
  std::string s = value.As<Napi::String>().Utf8Value();
  if (s.empty() || s.size() > kMaxText || s.find('\0') != std::string::npos) {
    wrong_value(value, what, "1 to 4096 bytes of text without NUL");
  }
  return s;
}

bool boolean(const Napi::Value& value, const std::string& what) {
  if (!value.IsBoolean()) wrong_type(value, what, "true or false");
  return value.As<Napi::Boolean>().Value();
}

double number(const Napi::Value& value, const std::string& what, double low, double high) {
  if (!value.IsNumber()) wrong_type(value, what, "a number");
  const double v = value.As<Napi::Number>().DoubleValue();
  if (!std::isfinite(v) || v < low || v > high) wrong_value(value, what, "a number from " + show(low) + " to " + show(high));
  return v;
}

uint64_t whole(const Napi::Value& value, const std::string& what, uint64_t low, uint64_t high) {
  if (!value.IsNumber()) wrong_type(value, what, "a whole number");
  const double v = value.As<Napi::Number>().DoubleValue();
  if (!(v >= static_cast<double>(low) && v <= static_cast<double>(high)) || v != std::floor(v)) {
    wrong_value(value, what, "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return static_cast<uint64_t>(v);
}

PixelFormat pixel_format(const Napi::Value& value, const std::string& what) {
  const std::optional<PixelFormat> format = pixel_format_of(text(value, what));
  if (!format) {
    std::string names;
    for (const std::string_view name : kPixelFormatNames) names += (names.empty() ? "" : ", ") + std::string(name);
    wrong_value(value, what, "one of " + names);
  }
  return *format;
}

InputSpec input_spec(const Napi::Value& value, const std::string& what) {
  const Napi::Object from = object(value, what);
  InputSpec spec;
  spec.width = static_cast<uint32_t>(whole(from.Get("width"), what + ".width", 1, kMaxTensorSide));
  spec.height = static_cast<uint32_t>(whole(from.Get("height"), what + ".height", 1, kMaxTensorSide));
  only(from, "resize", what, "bicubic");
  only(from, "fit", what, "squash");
  spec.mean = triple(from.Get("mean"), what + ".mean", -1e3, 1e3);
  spec.std = triple(from.Get("std"), what + ".std", 1e-6, 1e3);
  const Napi::Value part = from.Get("region");
  if (!part.IsUndefined()) spec.region = region(part, what + ".region");
  return spec;
}

uint32_t thumbnail_width(const Napi::Value& value, const std::string& what) {
  const uint64_t width = whole(value, what, 0, ThumbnailPass::kMaxWidth);
  if (width > 0 && width < ThumbnailPass::kMinWidth) wrong_value(value, what, "0 (none), or at least 64");
  return static_cast<uint32_t>(width);
}

ImageView image(const Napi::Value& value, const std::string& what) {
  const Napi::Object from = object(value, what);
  ImageView view;
  view.width = static_cast<uint32_t>(whole(from.Get("width"), what + ".width", 1, kMaxSide));
  view.height = static_cast<uint32_t>(whole(from.Get("height"), what + ".height", 1, kMaxSide));
  view.stride = static_cast<size_t>(whole(from.Get("stride"), what + ".stride", 1, static_cast<uint64_t>(kMaxStride)));
  view.format = pixel_format(from.Get("pixelFormat"), what + ".pixelFormat");
  const Napi::Value data = from.Get("data");
  if (!data.IsTypedArray() || data.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    wrong_type(data, what + ".data", "a Uint8Array");
  }
  auto bytes = data.As<Napi::Uint8Array>();
  const Napi::Value resizable = bytes.ArrayBuffer().Get("resizable");
  if (resizable.IsBoolean() && resizable.As<Napi::Boolean>().Value()) {
    wrong_value(data, what + ".data", "a buffer that cannot shrink (not resizable)");
  }
  // Read last: nothing of the caller's runs between here and the use of the pointer.
  view.data = bytes.Data();
  const size_t needed = view.stride * (view.height - 1) + view.row_bytes();
  if (view.stride >= view.row_bytes() && (view.data == nullptr || bytes.ByteLength() < needed)) {
    throw Napi::RangeError::New(value.Env(), "expected at least " + std::to_string(needed) + " bytes for " + what + ".data (" +
                                                 std::to_string(view.width) + " x " + std::to_string(view.height) + " " +
                                                 std::string(name_of(view.format)) + "), received " +
                                                 std::to_string(bytes.ByteLength()));
  }
  return view;
}

}  // namespace verdictd::args
