#include "backends/aravis_frames.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

#include "camera/monotonic.h"

namespace verdictd::arv {
namespace {

// Numbers of arv_buffer_get_status.
constexpr int kSuccess = 0;
constexpr int kCleared = 1;
constexpr int kFilling = 6;
constexpr std::array<const char*, 8> kStatus = {"success",         "cleared",       "time-out", "missing packets",
                                                "wrong packet id", "size mismatch", "filling",  "aborted"};
// Numbers of arv_buffer_get_payload_type that are one picture.
constexpr int kImage = 1;
constexpr int kImageWithChunks = 5;

struct Coded {
  uint32_t code;  // of the Pixel Format Naming Convention
  PixelFormat format;
};
constexpr std::array<Coded, 7> kFormats = {{{0x01080001, PixelFormat::Mono8},
                                            {0x01080008, PixelFormat::BayerGR8},
                                            {0x01080009, PixelFormat::BayerRG8},
                                            {0x0108000A, PixelFormat::BayerGB8},
                                            {0x0108000B, PixelFormat::BayerBG8},
                                            {0x02180014, PixelFormat::RGB8},
                                            {0x02180015, PixelFormat::BGR8}}};

std::optional<PixelFormat> format_of(uint32_t code) {
  const auto found = std::find_if(kFormats.begin(), kFormats.end(), [code](const Coded& one) { return one.code == code; });
  return found == kFormats.end() ? std::nullopt : std::optional(found->format);
}

// When the first packet of the frame came, on our clock; the library stamps it with the time of day.
double arrival(uint64_t stamp_ns) {
  const double now = monotonic_ms();
  if (stamp_ns == 0) return now;
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  const double age = std::chrono::duration<double, std::milli>(since).count() - static_cast<double>(stamp_ns) / 1e6;
  return now - std::max(0.0, age);
}

std::optional<Chunk> chunk_of(const Api& api, Handle chunks, Handle buffer) {
  const auto whole = [&](const char* name) -> std::optional<double> {
    Outcome outcome(api);
    const int64_t value = api.arv_chunk_parser_get_integer_value(chunks, buffer, name, outcome);
    return outcome.failed() ? std::nullopt : std::optional(static_cast<double>(value));
  };
  const auto real = [&](const char* name) -> std::optional<double> {
    Outcome outcome(api);
    const double value = api.arv_chunk_parser_get_float_value(chunks, buffer, name, outcome);
    return outcome.failed() ? std::nullopt : std::optional(value);
  };
  Chunk out;
  out.frame_id = whole("ChunkFrameID");
  out.timestamp = whole("ChunkTimestamp");
  out.exposure_time = real("ChunkExposureTime");
  out.gain = real("ChunkGain");
  if (!out.frame_id && !out.timestamp && !out.exposure_time && !out.gain) return std::nullopt;
  return out;
}

}  // namespace

// The state first: of a frame that is not whole the library knows no shape.
Taken frame_of(const Api& api, Handle buffer, FrameNumbers& numbers, Handle chunks) {
  const uint64_t id = api.arv_buffer_get_frame_id(buffer);
  const std::string name = "frame " + std::to_string(id);
  const int status = api.arv_buffer_get_status(buffer);
  if (status == kCleared) return Nothing{};
  // A buffer that was given up before its frame began has no number yet.
  const bool numbered = status == kSuccess || (id != 0 && status > 0 && status < kFilling);
  const std::optional<uint64_t> number = numbered ? std::optional(numbers.number(id)) : std::nullopt;
  const auto fault = [&](const char* cause, const std::string& detail) { return RawFault{cause, name + " " + detail, 0, number}; };
  if (status != kSuccess) {
    const bool known = status > 0 && static_cast<size_t>(status) < kStatus.size();
    return fault("incomplete", std::string("is incomplete (") + (known ? kStatus[static_cast<size_t>(status)] : "unknown state") + ")");
  }
  const int payload = api.arv_buffer_get_payload_type(buffer);
  if (payload != kImage && payload != kImageWithChunks) return fault("wrongFormat", "is no picture (payload type " + std::to_string(payload) + ")");
  const int width = api.arv_buffer_get_image_width(buffer);
  const int height = api.arv_buffer_get_image_height(buffer);
  const uint32_t code = api.arv_buffer_get_image_pixel_format(buffer);
  const std::string shape = std::to_string(width) + " x " + std::to_string(height);
  const std::optional<PixelFormat> format = format_of(code);
  if (!format) return fault("wrongFormat", "is " + shape + " in a pixel format that is not read (code " + std::to_string(code) + ")");
  if (width < 1 || height < 1 || width > static_cast<int>(kMaxSide) || height > static_cast<int>(kMaxSide)) return fault("wrongSize", "is " + shape);
  int padding = 0;
  int below = 0;
  if (api.arv_buffer_get_image_padding != nullptr) api.arv_buffer_get_image_padding(buffer, &padding, &below);
  if (padding < 0 || padding > static_cast<int>(kMaxSide)) return fault("wrongFormat", "has " + std::to_string(padding) + " bytes after each row");
  const size_t row = static_cast<size_t>(width) * bytes_per_pixel(*format);
  const size_t stride = row + static_cast<size_t>(padding);
  const size_t needed = stride * (static_cast<size_t>(height) - 1) + row;
  size_t size = 0;
  const void* data = api.arv_buffer_get_data(buffer, &size);
  if (data == nullptr || size < needed) return fault("short", "holds " + std::to_string(size) + " of " + std::to_string(needed) + " bytes");

  RawFrame frame;
  frame.frame_id = *number;
  frame.camera_ns = api.arv_buffer_get_timestamp(buffer);
  frame.exposed = arrival(api.arv_buffer_get_system_timestamp(buffer));
  if (chunks != nullptr) frame.chunk = chunk_of(api, chunks, buffer);
  frame.image.width = static_cast<uint32_t>(width);
  frame.image.height = static_cast<uint32_t>(height);
  frame.image.stride = stride;
  frame.image.format = *format;
  frame.image.data = static_cast<const uint8_t*>(data);
  frame.handle = buffer;
  return frame;
}

}  // namespace verdictd::arv
