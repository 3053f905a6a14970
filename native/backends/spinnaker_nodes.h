// Features in a node map of the camera. A node is looked up by its name each time and given back: a handle taken while its
// feature was unavailable stays unusable.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backends/spinnaker_api.h"
#include "camera/backend.h"

namespace verdictd::spin {

class NodeMap {
 public:
  NodeMap(const Api& api, Handle map) : api_(&api), map_(map) {}

  // Calls below throw BackendError: "missing" where there is no such feature, "unavailable" where it has no value now,
  // "readOnly" where it cannot be written now, "refused" for a value it does not take, else the class of the failed call.
  bool has(const std::string& name) const;
  Feature get(const std::string& name) const;
  // Nothing only where there is no such feature, or it has no value as the camera is set now.
  std::optional<FeatureValue> find(const std::string& name) const;
  // A number for an Integer must be whole. Returns the feature read back.
  Feature set(const std::string& name, const FeatureValue& value) const;
  // Returns when the camera has done it; BackendError("transient") after `kCommandTime`.
  void execute(const std::string& name) const;
  // Names of readable value features, as the camera lists them. Empty where this version of the library cannot.
  std::vector<std::string> names() const;

  // Shorthands for single values; nullopt also where the reading failed: not for what a check hangs on.
  std::optional<double> number(const std::string& name) const noexcept;
  std::optional<std::string> text(const std::string& name) const noexcept;
  std::optional<bool> boolean(const std::string& name) const noexcept;

 private:
  const Api* api_;
  Handle map_;
};

}  // namespace verdictd::spin
