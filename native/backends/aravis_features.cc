#include "backends/aravis_features.h"

#include <set>

#include "camera/feature_value.h"

namespace verdictd::arv {
namespace {

enum class Kind { category, enumeration, command, boolean, integer, real, text, none };
enum AccessMode : int { kReadOnly = 0, kWriteOnly = 1 };

// Deeper than any description nests its categories.
constexpr int kDepth = 16;

class Node {
 public:
  Node(const Api& api, Handle genicam, const std::string& name) : api_(api), name_(name), node_(api.arv_gc_get_node(genicam, name.c_str())) {
    if (node_ == nullptr || !is(api.arv_gc_feature_node_get_type)) throw BackendError("missing", "the camera has no feature " + name);
  }

  Handle get() const { return node_; }
  // An enumeration is also an integer: the more special come first.
  Kind kind() const {
    if (is(api_.arv_gc_category_get_type)) return Kind::category;
    if (is(api_.arv_gc_enumeration_get_type)) return Kind::enumeration;
    if (is(api_.arv_gc_command_get_type)) return Kind::command;
    if (is(api_.arv_gc_boolean_get_type)) return Kind::boolean;
    if (is(api_.arv_gc_integer_get_type)) return Kind::integer;
    if (is(api_.arv_gc_float_get_type)) return Kind::real;
    return is(api_.arv_gc_string_get_type) ? Kind::text : Kind::none;
  }
  bool available() const {
    Outcome outcome(api_);
    const bool yes = api_.arv_gc_feature_node_is_available(node_, outcome) != 0;
    outcome.check("asking for " + name_);
    return yes;
  }
  bool readable() const { return api_.arv_gc_feature_node_get_actual_access_mode(node_) != kWriteOnly; }
  bool writable() const {
    if (api_.arv_gc_feature_node_get_actual_access_mode(node_) == kReadOnly) return false;
    Outcome outcome(api_);
    const bool locked = api_.arv_gc_feature_node_is_locked(node_, outcome) != 0;
    outcome.check("asking for " + name_);
    return !locked;
  }
  void demand_available() const {
    if (!available()) throw BackendError("unavailable", name_ + " is not available on this camera as it is set now");
  }
  template <typename T>
  T value(T (*getter)(Handle, Error**)) const {
    Outcome outcome(api_);
    const T value = getter(node_, outcome);
    outcome.check("reading " + name_);
    return value;
  }
  // A bound that the description does not give is no failure.
  template <typename T>
  std::optional<double> bound(T (*getter)(Handle, Error**)) const {
    Outcome outcome(api_);
    const T value = getter(node_, outcome);
    if (outcome.failed()) return std::nullopt;
    return static_cast<double>(value);
  }
  template <typename R, typename T>
  void put(R (*setter)(Handle, T, Error**), T value) const {
    Outcome outcome(api_);
    static_cast<void>(setter(node_, value, outcome));
    outcome.check("writing " + name_);
  }
  std::vector<std::string> entries() const {
    Outcome outcome(api_);
    unsigned count = 0;
    const char** values = api_.arv_gc_enumeration_dup_available_string_values(node_, &count, outcome);
    std::vector<std::string> out;
    for (unsigned i = 0; values != nullptr && i < count; i++) out.push_back(arv::text(values[i]));
    api_.g_free(values);
    outcome.check("entries of " + name_);
    return out;
  }

 private:
  bool is(Type (*type)()) const { return api_.g_type_check_instance_is_a(node_, type()) != 0; }

  const Api& api_;
  const std::string name_;
  const Handle node_;
};

Feature read(const Api& api, const Node& node, const std::string& name) {
  Feature out;
  const Kind kind = node.kind();
  if (kind == Kind::command) throw BackendError("refused", name + " is a command: it has no value");
  if (kind == Kind::category || kind == Kind::none) throw BackendError("refused", name + " is no feature with a value");
  if (!node.readable()) throw BackendError("unavailable", name + " cannot be read now");
  out.writable = node.writable();
  switch (kind) {
    case Kind::integer:
      out.value = node.value(api.arv_gc_integer_get_value);
      out.min = node.bound(api.arv_gc_integer_get_min);
      out.max = node.bound(api.arv_gc_integer_get_max);
      out.increment = node.bound(api.arv_gc_integer_get_inc).value_or(1);
      out.unit = text(api.arv_gc_integer_get_unit(node.get()));
      break;
    case Kind::boolean:
      out.value = node.value(api.arv_gc_boolean_get_value) != 0;
      break;
    case Kind::real:
      out.value = node.value(api.arv_gc_float_get_value);
      out.min = node.bound(api.arv_gc_float_get_min);
      out.max = node.bound(api.arv_gc_float_get_max);
      out.unit = text(api.arv_gc_float_get_unit(node.get()));
      break;
    case Kind::enumeration:
      out.value = text(node.value(api.arv_gc_enumeration_get_string_value));
      out.entries = node.entries();
      break;
    default:
      out.value = text(node.value(api.arv_gc_string_get_value));
  }
  return out;
}

void write(const Api& api, const Node& node, const std::string& name, const FeatureValue& value) {
  switch (node.kind()) {
    case Kind::integer:
      node.put(api.arv_gc_integer_set_value, whole_in(value, name));
      return;
    case Kind::boolean:
      node.put(api.arv_gc_boolean_set_value, flag_in(value, name) ? 1 : 0);
      return;
    case Kind::real:
      node.put(api.arv_gc_float_set_value, number_in(value, name));
      return;
    case Kind::enumeration:
      node.put(api.arv_gc_enumeration_set_string_value, text_in(value, name).c_str());
      return;
    case Kind::text:
      node.put(api.arv_gc_string_set_value, text_in(value, name).c_str());
      return;
    default:
      throw BackendError("refused", name + " cannot be given a value");
  }
}

void collect(const Api& api, Handle genicam, const std::string& category, int depth, std::set<std::string>& seen, std::vector<std::string>& out) {
  if (depth > kDepth || !seen.insert(category).second) return;
  const Node node(api, genicam, category);
  for (const List* one = api.arv_gc_category_get_features(node.get()); one != nullptr; one = one->next) {
    const std::string name = text(static_cast<const char*>(one->data));
    try {
      const Node feature(api, genicam, name);
      const Kind kind = feature.kind();
      if (kind == Kind::category) {
        collect(api, genicam, name, depth + 1, seen, out);
      } else if (kind != Kind::none && kind != Kind::command && feature.available() && feature.readable() && seen.insert(name).second) {
        out.push_back(name);
      }
    } catch (const BackendError& error) {
      // Named in a category and not described, or not to be asked as the camera is set now.
      if (error.cause == "lost") throw;
    }
  }
}

}  // namespace

bool Features::has(const std::string& name) const {
  const Handle node = api_->arv_gc_get_node(genicam_, name.c_str());
  return node != nullptr && api_->g_type_check_instance_is_a(node, api_->arv_gc_feature_node_get_type()) != 0;
}

Feature Features::get(const std::string& name) const {
  const Node node(*api_, genicam_, name);
  node.demand_available();
  return read(*api_, node, name);
}

std::optional<FeatureValue> Features::find(const std::string& name) const {
  if (!has(name)) return std::nullopt;
  try {
    return get(name).value;
  } catch (const BackendError& error) {
    if (error.cause == "unavailable") return std::nullopt;
    throw;
  }
}

Feature Features::set(const std::string& name, const FeatureValue& value) const {
  const Node node(*api_, genicam_, name);
  node.demand_available();
  if (!node.writable()) throw BackendError("readOnly", name + " cannot be written as the camera is set now");
  write(*api_, node, name, value);
  return read(*api_, node, name);
}

void Features::execute(const std::string& name) const {
  const Node node(*api_, genicam_, name);
  node.demand_available();
  if (node.kind() != Kind::command) throw BackendError("refused", name + " is no command");
  Outcome outcome(*api_);
  api_->arv_gc_command_execute(node.get(), outcome);
  outcome.check("command " + name);
}

std::vector<std::string> Features::names() const {
  std::vector<std::string> out;
  std::set<std::string> seen;
  collect(*api_, genicam_, "Root", 0, seen, out);
  return out;
}

}  // namespace verdictd::arv
