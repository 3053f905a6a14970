// Argument checks at the boundary: each says what was expected and what came. A wrong type is a TypeError, a wrong value a
// RangeError.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>

#include "frame/image.h"

namespace verdictd::args {

// Argument i, or undefined.
Napi::Value at(const Napi::CallbackInfo& info, size_t i);

Napi::Object object(const Napi::Value& value, const std::string& what);
Napi::Function function(const Napi::Value& value, const std::string& what);
std::string text(const Napi::Value& value, const std::string& what);
bool boolean(const Napi::Value& value, const std::string& what);
// Finite and within [low, high].
double number(const Napi::Value& value, const std::string& what, double low, double high);
// What JavaScript counts exactly up to.
constexpr uint64_t kMaxInteger = (1ULL << 53) - 1;
// Whole and within [low, high]; high at most kMaxInteger.
uint64_t whole(const Napi::Value& value, const std::string& what, uint64_t low, uint64_t high);

PixelFormat pixel_format(const Napi::Value& value, const std::string& what);
// {width, height, resize: 'bicubic', fit: 'squash', mean, std, region?} as InputSpec of src/ports.ts.
InputSpec input_spec(const Napi::Value& value, const std::string& what);

// Width of a thumbnail, px; 0: none.
uint32_t thumbnail_width(const Napi::Value& value, const std::string& what);

// {width, height, stride, pixelFormat, data: Uint8Array}; the data covers every row. In JavaScript's memory: good until anything of
// JavaScript runs again.
ImageView image(const Napi::Value& value, const std::string& what);

// What a value is, for a sentence: "the string 'x'", "the number 3", "undefined".
std::string describe(const Napi::Value& value);

}  // namespace verdictd::args
