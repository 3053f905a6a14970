// Features of a camera as its own GenICam description names them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backends/aravis_api.h"
#include "camera/backend.h"

namespace verdictd::arv {

// Good as long as the camera it belongs to is open; nodes belong to the library and are not given back.
class Features {
 public:
  Features(const Api& api, Handle genicam) : api_(&api), genicam_(genicam) {}

  // Calls below throw BackendError: "missing" where there is no such feature, "unavailable" where it has no value now,
  // "readOnly" where it cannot be written now, "refused" for a value it does not take, else the class of the failed call.
  bool has(const std::string& name) const;
  Feature get(const std::string& name) const;
  // Nothing only where there is no such feature, or it has no value as the camera is set now.
  std::optional<FeatureValue> find(const std::string& name) const;
  // A number for an Integer must be whole. Returns the feature read back.
  Feature set(const std::string& name, const FeatureValue& value) const;
  void execute(const std::string& name) const;
  // Names of readable value features, category by category.
  std::vector<std::string> names() const;

 private:
  const Api* api_;
  Handle genicam_;
};

}  // namespace verdictd::arv
