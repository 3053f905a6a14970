#include "backends/spinnaker_nodes.h"

#include <chrono>
#include <thread>
#include <utility>

#include "camera/feature_value.h"

namespace verdictd::spin {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kCommandTime(2000);

enum NodeType : int { kInteger = 2, kBoolean = 3, kFloat = 4, kCommand = 5, kString = 6, kEnumeration = 8 };
constexpr int kGuru = 2;

// A node taken from a map, given back at the end of its scope.
class Node {
 public:
  Node(const Api& api, Handle map, const std::string& name) : api_(api), map_(map), name_(name) {
    check(api, api.NodeMapGetNode(map, name.c_str(), &handle_), "spinNodeMapGetNode of " + name);
    if (handle_ == nullptr) throw BackendError("missing", "the camera has no feature " + name);
  }
  Node(const Api& api, Handle map, Handle node, std::string name) : api_(api), map_(map), name_(std::move(name)), handle_(node) {}
  ~Node() {
    if (handle_ != nullptr) api_.NodeMapReleaseNode(map_, handle_);
  }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  Handle get() const { return handle_; }
  bool asked(int (*question)(Handle, Bool*)) const {
    Bool yes = 0;
    check(api_, question(handle_, &yes), "asking for " + name_);
    return yes != 0;
  }
  bool available() const { return asked(api_.NodeIsImplemented) && asked(api_.NodeIsAvailable); }
  bool readable() const { return asked(api_.NodeIsReadable); }
  bool writable() const { return asked(api_.NodeIsWritable); }
  int type() const {
    int type = -1;
    check(api_, api_.NodeGetType(handle_, &type), "spinNodeGetType of " + name_);
    return type;
  }
  void demand_available() const {
    if (!available()) throw BackendError("unavailable", name_ + " is not available on this camera as it is set now");
  }

 private:
  const Api& api_;
  Handle map_;
  std::string name_;
  Handle handle_ = nullptr;
};

class Entry {
 public:
  Entry(const Api& api, Handle node, Handle entry) : api_(api), node_(node), entry_(entry) {}
  ~Entry() {
    if (entry_ != nullptr) api_.EnumerationReleaseNode(node_, entry_);
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;
  Handle get() const { return entry_; }
  std::string symbolic() const {
    return text_of([&](char* buffer, size_t* length) { return api_.EnumerationEntryGetSymbolic(entry_, buffer, length); });
  }

 private:
  const Api& api_;
  Handle node_;
  Handle entry_;
};

std::vector<std::string> entries_of(const Api& api, const Node& node, const std::string& name) {
  size_t count = 0;
  check(api, api.EnumerationGetNumEntries(node.get(), &count), "entries of " + name);
  std::vector<std::string> out;
  for (size_t i = 0; i < count; i++) {
    Handle handle = nullptr;
    if (api.EnumerationGetEntryByIndex(node.get(), i, &handle) != kOk || handle == nullptr) continue;
    const Entry entry(api, node.get(), handle);
    Bool available = 0;
    check(api, api.NodeIsAvailable(handle, &available), "entries of " + name);
    if (available != 0) out.push_back(entry.symbolic());
  }
  return out;
}

template <typename T>
T value_of(const Api& api, int (*getter)(Handle, T*), const Node& node, const std::string& what) {
  T value{};
  check(api, getter(node.get(), &value), what);
  return value;
}

Feature read(const Api& api, const Node& node, const std::string& name) {
  Feature out;
  out.writable = node.writable();
  const std::string what = "reading " + name;
  const int type = node.type();
  if (type == kCommand) throw BackendError("refused", name + " is a command: it has no value");
  if (!node.readable()) throw BackendError("unavailable", name + " cannot be read now");
  switch (type) {
    case kInteger:
      out.value = value_of(api, api.IntegerGetValue, node, what);
      out.min = static_cast<double>(value_of(api, api.IntegerGetMin, node, what));
      out.max = static_cast<double>(value_of(api, api.IntegerGetMax, node, what));
      out.increment = static_cast<double>(value_of(api, api.IntegerGetInc, node, what));
      break;
    case kBoolean:
      out.value = value_of(api, api.BooleanGetValue, node, what) != 0;
      break;
    case kFloat:
      out.value = value_of(api, api.FloatGetValue, node, what);
      out.min = value_of(api, api.FloatGetMin, node, what);
      out.max = value_of(api, api.FloatGetMax, node, what);
      out.unit = text_of([&](char* buffer, size_t* length) { return api.FloatGetUnit(node.get(), buffer, length); });
      break;
    case kString:
      out.value = text_of([&](char* buffer, size_t* length) { return api.StringGetValue(node.get(), buffer, length); });
      break;
    case kEnumeration: {
      Handle handle = nullptr;
      check(api, api.EnumerationGetCurrentEntry(node.get(), &handle), what);
      if (handle == nullptr) throw BackendError("unavailable", name + " has no value now");
      out.value = Entry(api, node.get(), handle).symbolic();
      out.entries = entries_of(api, node, name);
      break;
    }
    default:
      throw BackendError("refused", name + " is no feature with a value (node type " + std::to_string(type) + ")");
  }
  return out;
}

void write(const Api& api, const Node& node, const std::string& name, const FeatureValue& value) {
  const std::string what = "writing " + name;
  switch (node.type()) {
    case kInteger:
      check(api, api.IntegerSetValue(node.get(), whole_in(value, name)), what);
      return;
    case kBoolean:
      check(api, api.BooleanSetValue(node.get(), flag_in(value, name) ? 1 : 0), what);
      return;
    case kFloat:
      check(api, api.FloatSetValue(node.get(), number_in(value, name)), what);
      return;
    case kString:
      check(api, api.StringSetValue(node.get(), text_in(value, name).c_str()), what);
      return;
    case kEnumeration: {
      // By name: the numbers of entries are the camera's own.
      const std::string& symbolic = text_in(value, name);
      Handle handle = nullptr;
      const int error = api.EnumerationGetEntryByName(node.get(), symbolic.c_str(), &handle);
      if (error == kOk && handle == nullptr) throw BackendError("refused", name + " has no entry " + symbolic);
      check(api, error, what);
      const Entry entry(api, node.get(), handle);
      int64_t number = 0;
      check(api, api.EnumerationEntryGetIntValue(handle, &number), what);
      check(api, api.EnumerationSetIntValue(node.get(), number), what);
      return;
    }
    default:
      throw BackendError("refused", name + " cannot be given a value");
  }
}

}  // namespace

bool NodeMap::has(const std::string& name) const {
  Handle handle = nullptr;
  const int error = api_->NodeMapGetNode(map_, name.c_str(), &handle);
  if (error == kOk && handle != nullptr) {
    api_->NodeMapReleaseNode(map_, handle);
    return true;
  }
  // An unknown name is no error; a camera that does not answer is.
  if (error != kOk && error != kInvalidHandle) check(*api_, error, "spinNodeMapGetNode of " + name);
  return false;
}

Feature NodeMap::get(const std::string& name) const {
  const Node node(*api_, map_, name);
  node.demand_available();
  return read(*api_, node, name);
}

std::optional<FeatureValue> NodeMap::find(const std::string& name) const {
  if (!has(name)) return std::nullopt;
  try {
    return get(name).value;
  } catch (const BackendError& error) {
    if (error.cause == "unavailable") return std::nullopt;
    throw;
  }
}

Feature NodeMap::set(const std::string& name, const FeatureValue& value) const {
  {
    const Node node(*api_, map_, name);
    node.demand_available();
    if (!node.writable()) throw BackendError("readOnly", name + " cannot be written as the camera is set now");
    write(*api_, node, name, value);
  }
  return get(name);
}

void NodeMap::execute(const std::string& name) const {
  const Node node(*api_, map_, name);
  node.demand_available();
  if (node.type() != kCommand) throw BackendError("refused", name + " is no command");
  check(*api_, api_->CommandExecute(node.get()), "command " + name);
  const auto until = steady_clock::now() + kCommandTime;
  for (milliseconds pause(0);; pause = milliseconds(1)) {
    Bool done = 0;
    check(*api_, api_->CommandIsDone(node.get(), &done), "command " + name);
    if (done != 0) return;
    if (steady_clock::now() > until) {
      throw BackendError("transient", "the camera did not finish the command " + name + " within " + std::to_string(kCommandTime.count()) + " ms");
    }
    std::this_thread::sleep_for(pause);
  }
}

std::vector<std::string> NodeMap::names() const {
  std::vector<std::string> out;
  size_t count = 0;
  if (api_->NodeMapGetNumNodes == nullptr || api_->NodeMapGetNodeByIndex == nullptr || api_->NodeGetName == nullptr) return out;
  check(*api_, api_->NodeMapGetNumNodes(map_, &count), "the list of features");
  for (size_t i = 0; i < count; i++) {
    Handle handle = nullptr;
    if (api_->NodeMapGetNodeByIndex(map_, i, &handle) != kOk || handle == nullptr) continue;
    const std::string name = text_of([&](char* buffer, size_t* length) { return api_->NodeGetName(handle, buffer, length); });
    const Node node(*api_, map_, handle, name);
    int type = -1;
    int visibility = 0;
    if (api_->NodeGetType(handle, &type) != kOk) continue;
    if (api_->NodeGetVisibility != nullptr && api_->NodeGetVisibility(handle, &visibility) == kOk && visibility > kGuru) continue;
    const bool valued = type == kInteger || type == kBoolean || type == kFloat || type == kString || type == kEnumeration;
    if (!name.empty() && valued && node.available() && node.readable()) out.push_back(name);
  }
  return out;
}

namespace {
template <typename F>
auto quietly(F&& f) noexcept -> decltype(f()) {
  try {
    return f();
  } catch (const std::exception&) {
    return std::nullopt;
  }
}
}  // namespace

std::optional<double> NodeMap::number(const std::string& name) const noexcept {
  return quietly([&]() -> std::optional<double> {
    const Node node(*api_, map_, name);
    if (!node.available() || !node.readable()) return std::nullopt;
    switch (node.type()) {
      case kInteger:
        return static_cast<double>(value_of(*api_, api_->IntegerGetValue, node, name));
      case kFloat:
        return value_of(*api_, api_->FloatGetValue, node, name);
      default:
        return std::nullopt;
    }
  });
}

std::optional<std::string> NodeMap::text(const std::string& name) const noexcept {
  return quietly([&]() -> std::optional<std::string> {
    const FeatureValue value = get(name).value;
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    return std::nullopt;
  });
}

std::optional<bool> NodeMap::boolean(const std::string& name) const noexcept {
  return quietly([&]() -> std::optional<bool> {
    const Node node(*api_, map_, name);
    if (!node.available() || !node.readable()) return std::nullopt;
    return value_of(*api_, api_->BooleanGetValue, node, name) != 0;
  });
}

}  // namespace verdictd::spin
