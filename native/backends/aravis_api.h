// The C functions of Aravis (0.8; 0.10 keeps them) and of the GObject library beneath it that we call, as a typed table filled at run
// time. Names, argument types and numbers are facts of its ABI; no header is needed to build.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace verdictd::arv {

using Handle = void*;
using Type = size_t;  // GType
using Bool = int;

struct Error {  // GError
  uint32_t domain;
  int code;
  char* message;
};
struct List {  // GSList
  void* data;
  List* next;
};
using LostCallback = void (*)(Handle device, void* user);

// X(type of the result, name, arguments)
#define VERDICTD_ARAVIS_REQUIRED(X)                                                              \
  X(void, g_object_unref, (Handle))                                                              \
  X(void, g_object_set, (Handle, const char*, ...))                                              \
  X(void, g_error_free, (Error*))                                                                \
  X(void, g_free, (void*))                                                                       \
  X(unsigned long, g_signal_connect_data, (Handle, const char*, LostCallback, void*, void*, int)) \
  X(void, g_signal_handler_disconnect, (Handle, unsigned long))                                  \
  X(Bool, g_type_check_instance_is_a, (Handle, Type))                                            \
  X(uint32_t, arv_device_error_quark, ())                                                        \
  X(uint32_t, arv_gc_error_quark, ())                                                            \
  X(void, arv_enable_interface, (const char*))                                                   \
  X(void, arv_update_device_list, ())                                                            \
  X(unsigned, arv_get_n_devices, ())                                                             \
  X(const char*, arv_get_device_id, (unsigned))                                                  \
  X(const char*, arv_get_device_physical_id, (unsigned))                                         \
  X(const char*, arv_get_device_address, (unsigned))                                             \
  X(const char*, arv_get_device_vendor, (unsigned))                                              \
  X(const char*, arv_get_device_model, (unsigned))                                               \
  X(const char*, arv_get_device_serial_nbr, (unsigned))                                          \
  X(const char*, arv_get_device_protocol, (unsigned))                                            \
  X(Handle, arv_camera_new, (const char*, Error**))                                              \
  X(Handle, arv_camera_get_device, (Handle))                                                     \
  X(const char*, arv_camera_get_vendor_name, (Handle, Error**))                                  \
  X(const char*, arv_camera_get_model_name, (Handle, Error**))                                   \
  X(const char*, arv_camera_get_device_id, (Handle, Error**))                                    \
  X(const char*, arv_camera_get_device_serial_number, (Handle, Error**))                         \
  X(Bool, arv_camera_is_gv_device, (Handle))                                                     \
  X(void, arv_camera_gv_set_packet_size, (Handle, int, Error**))                                 \
  X(void, arv_camera_gv_set_packet_delay, (Handle, int64_t, Error**))                            \
  X(void, arv_camera_gv_set_stream_options, (Handle, int))                                       \
  X(unsigned, arv_camera_get_payload, (Handle, Error**))                                         \
  X(Handle, arv_camera_create_stream, (Handle, void*, void*, Error**))                           \
  X(void, arv_camera_start_acquisition, (Handle, Error**))                                       \
  X(void, arv_camera_stop_acquisition, (Handle, Error**))                                        \
  X(Handle, arv_camera_create_chunk_parser, (Handle))                                            \
  X(int64_t, arv_chunk_parser_get_integer_value, (Handle, Handle, const char*, Error**))         \
  X(double, arv_chunk_parser_get_float_value, (Handle, Handle, const char*, Error**))            \
  X(Handle, arv_buffer_new_allocate, (size_t))                                                   \
  X(int, arv_buffer_get_status, (Handle))                                                        \
  X(int, arv_buffer_get_payload_type, (Handle))                                                  \
  X(const void*, arv_buffer_get_data, (Handle, size_t*))                                         \
  X(uint32_t, arv_buffer_get_image_pixel_format, (Handle))                                       \
  X(int, arv_buffer_get_image_width, (Handle))                                                   \
  X(int, arv_buffer_get_image_height, (Handle))                                                  \
  X(uint64_t, arv_buffer_get_frame_id, (Handle))                                                 \
  X(uint64_t, arv_buffer_get_timestamp, (Handle))                                                \
  X(uint64_t, arv_buffer_get_system_timestamp, (Handle))                                         \
  X(void, arv_stream_push_buffer, (Handle, Handle))                                              \
  X(Handle, arv_stream_try_pop_buffer, (Handle))                                                 \
  X(Handle, arv_stream_timeout_pop_buffer, (Handle, uint64_t))                                   \
  X(void, arv_stream_get_statistics, (Handle, uint64_t*, uint64_t*, uint64_t*))                  \
  X(void, arv_gv_stream_get_statistics, (Handle, uint64_t*, uint64_t*))                          \
  X(Handle, arv_device_get_genicam, (Handle))                                                    \
  X(Handle, arv_gc_get_node, (Handle, const char*))                                              \
  X(Type, arv_gc_feature_node_get_type, ())                                                      \
  X(Type, arv_gc_category_get_type, ())                                                          \
  X(Type, arv_gc_enumeration_get_type, ())                                                       \
  X(Type, arv_gc_command_get_type, ())                                                           \
  X(Type, arv_gc_boolean_get_type, ())                                                           \
  X(Type, arv_gc_integer_get_type, ())                                                           \
  X(Type, arv_gc_float_get_type, ())                                                             \
  X(Type, arv_gc_string_get_type, ())                                                            \
  X(Bool, arv_gc_feature_node_is_available, (Handle, Error**))                                   \
  X(Bool, arv_gc_feature_node_is_locked, (Handle, Error**))                                      \
  X(int, arv_gc_feature_node_get_actual_access_mode, (Handle))                                   \
  X(const List*, arv_gc_category_get_features, (Handle))                                         \
  X(int64_t, arv_gc_integer_get_value, (Handle, Error**))                                        \
  X(void, arv_gc_integer_set_value, (Handle, int64_t, Error**))                                  \
  X(int64_t, arv_gc_integer_get_min, (Handle, Error**))                                          \
  X(int64_t, arv_gc_integer_get_max, (Handle, Error**))                                          \
  X(int64_t, arv_gc_integer_get_inc, (Handle, Error**))                                          \
  X(const char*, arv_gc_integer_get_unit, (Handle))                                              \
  X(double, arv_gc_float_get_value, (Handle, Error**))                                           \
  X(void, arv_gc_float_set_value, (Handle, double, Error**))                                     \
  X(double, arv_gc_float_get_min, (Handle, Error**))                                             \
  X(double, arv_gc_float_get_max, (Handle, Error**))                                             \
  X(const char*, arv_gc_float_get_unit, (Handle))                                                \
  X(Bool, arv_gc_boolean_get_value, (Handle, Error**))                                           \
  X(void, arv_gc_boolean_set_value, (Handle, Bool, Error**))                                     \
  X(const char*, arv_gc_string_get_value, (Handle, Error**))                                     \
  X(void, arv_gc_string_set_value, (Handle, const char*, Error**))                               \
  X(const char*, arv_gc_enumeration_get_string_value, (Handle, Error**))                         \
  X(Bool, arv_gc_enumeration_set_string_value, (Handle, const char*, Error**))                   \
  X(const char**, arv_gc_enumeration_dup_available_string_values, (Handle, unsigned*, Error**))  \
  X(void, arv_gc_command_execute, (Handle, Error**))

// Null where this version does not have them.
#define VERDICTD_ARAVIS_OPTIONAL(X)                                              \
  X(unsigned, arv_get_major_version, ())                                         \
  X(unsigned, arv_get_minor_version, ())                                         \
  X(unsigned, arv_get_micro_version, ())                                         \
  X(void, arv_camera_gv_set_packet_size_adjustment, (Handle, int))               \
  X(Bool, arv_gv_device_is_controller, (Handle))                                 \
  X(void, arv_buffer_get_image_padding, (Handle, int*, int*))

struct Api {
#define VERDICTD_DECLARE(result, name, arguments) result(*name) arguments = nullptr;
  VERDICTD_ARAVIS_REQUIRED(VERDICTD_DECLARE)
  VERDICTD_ARAVIS_OPTIONAL(VERDICTD_DECLARE)
#undef VERDICTD_DECLARE
  std::string path;  // the file it came from
  std::string version() const;
};

// Loads the library; the same path gives the same table. It stays loaded for the life of the process. `file`: an absolute path, and
// nothing else is tried; empty: the usual places, 0.8 before 0.10.
// Throws BackendError("environment") with every path tried and why it failed.
std::shared_ptr<const Api> load(const std::string& file);

// Codes of the domain of arv_device_error_quark that we act upon.
enum DeviceError : int {
  kWrongFeature = 0,
  kFeatureNotFound = 1,
  kNotConnected = 2,
  kProtocolError = 3,
  kTransferError = 4,
  kTimeout = 5,
  kNotFound = 6,
  kInvalidParameter = 7,
  kGenicamNotFound = 8,
  kNoStreamChannel = 9,
  kNotController = 10,
  kNotImplemented = 12,
  kBadParameter = 13,
  kBadAddress = 14,
  kWriteProtect = 15,
  kBadAlignment = 16,
  kAccessDenied = 17,
  kBusy = 18,
};

// Receives the error of one call: `library.call(..., outcome)`, then outcome.check("what").
class Outcome {
 public:
  explicit Outcome(const Api& api) : api_(api) {}
  ~Outcome();
  Outcome(const Outcome&) = delete;
  Outcome& operator=(const Outcome&) = delete;

  operator Error**() { return &error_; }
  bool failed() const { return error_ != nullptr; }
  // Throws BackendError(cause, "<what>: <the library's own text>", number) where the call failed: the cause is missing, refused,
  // lost, transient, absent or environment; the number is that of a device error plus 1 (0: an error of another kind).
  void check(const std::string& what) const;

 private:
  const Api& api_;
  Error* error_ = nullptr;
};

// Text that may be null.
inline std::string text(const char* chars) { return chars == nullptr ? "" : chars; }

}  // namespace verdictd::arv
