// Values of features as JavaScript gives them, which knows one kind of number; and where a camera library wants another kind.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <variant>

#include "camera/backend.h"

namespace verdictd {

// Doubles count exactly up to here.
constexpr double kMaxWhole = 9007199254740991;

// Each throws BackendError("refused") for a value of another kind; `name` is the feature's.
inline double number_in(const FeatureValue& value, const std::string& name) {
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* whole = std::get_if<int64_t>(&value)) return static_cast<double>(*whole);
  throw BackendError("refused", name + " takes a number");
}

inline int64_t whole_in(const FeatureValue& value, const std::string& name) {
  if (const auto* whole = std::get_if<int64_t>(&value)) return *whole;
  const double number = number_in(value, name);
  if (number != std::floor(number) || std::abs(number) > kMaxWhole) {
    throw BackendError("refused", name + " takes a whole number");
  }
  return static_cast<int64_t>(number);
}

inline bool flag_in(const FeatureValue& value, const std::string& name) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  throw BackendError("refused", name + " takes true or false");
}

inline const std::string& text_in(const FeatureValue& value, const std::string& name) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  throw BackendError("refused", name + " takes text");
}

}  // namespace verdictd
