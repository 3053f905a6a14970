// The Spinnaker backend on the fake library, through the camera thread: frames with faults, the cable, opened and closed again.
#include <dlfcn.h>

#include "backends/spinnaker.h"
#include "camera/monotonic.h"
#include "driver.h"

namespace driver {
namespace {

using namespace verdictd;
using std::chrono::milliseconds;

using Tell = int (*)(const char*, char*, size_t*);

class Fake {
 public:
  explicit Fake(const std::string& library) {
    void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) throw std::runtime_error(dlerror());
    tell_ = reinterpret_cast<Tell>(dlsym(handle, "fakeSpinCommand"));
    if (tell_ == nullptr) throw std::runtime_error(dlerror());
  }
  std::string operator()(const std::string& line) const {
    char reply[16384];
    size_t length = sizeof reply;
    if (tell_(line.c_str(), reply, &length) != 0) std::printf("  %s: %s\n", line.c_str(), reply), failures()++;
    return reply;
  }

 private:
  Tell tell_ = nullptr;
};

bool ok(const AnswerEvent& answer) {
  const auto* error = std::get_if<BackendError>(&answer.result);
  if (error != nullptr) std::printf("  %s: %s\n", error->cause.c_str(), error->what());
  return error == nullptr;
}

// One camera from open to close; `pulled`: its cable goes in the middle.
void session(const Fake& fake, const std::string& library, int frames, bool pulled) {
  const auto ring = Ring::create({4, 64, 64});
  const auto outbox = std::make_shared<Outbox>();
  CameraThread thread(std::make_shared<SpinnakerBackend>(SpinnakerOptions{library, "", "UserOutput1"}), outbox);
  {
    Consumer consumer(outbox, ring);
    uint64_t request = 0;
    const auto ask = [&](Command command) {
      thread.post(++request, std::move(command));
      return consumer.answer(request);
    };
    CHECK(ok(ask(ListCommand{})));
    CHECK(ok(ask(OpenCommand{})));
    CHECK(ok(ask(FeaturesCommand{})));
    const std::pair<const char*, FeatureValue> settings[] = {
        {"TriggerMode", std::string("Off")},     {"TriggerSelector", std::string("FrameStart")}, {"ExposureAuto", std::string("Off")},
        {"ExposureTime", 200.0},                 {"PixelFormat", std::string("BayerRG8")},       {"TriggerSource", std::string("Software")},
        {"TriggerOverlap", std::string("ReadOut")}, {"TriggerMode", std::string("On")}};
    for (const auto& [name, value] : settings) CHECK(ok(ask(SetCommand{name, value})));
    CHECK(ok(ask(SnapCommand{milliseconds(20000)})));
    CHECK(std::holds_alternative<BackendError>(ask(GetCommand{"NoSuchFeature"}).result));
    StreamSetup setup;
    setup.ring = ring;
    setup.input = {64, 64, {0, 0, 0}, {1, 1, 1}, {}};
    setup.thumbnail_width = 64;
    setup.expected = {256, 128, PixelFormat::BayerRG8, 60000, 3000};
    CHECK(ok(ask(StartCommand{setup})));
    fake("fault random rate=0.2 seed=3 names=incomplete,frozen,gap,duplicate,wrong-size,wrong-format,zero-size,short,chunk-missing");
    uint64_t fired = 0;
    for (int i = 0; i < frames; i++) {
      if (pulled && i == frames / 2) fake("unplug");
      thread.post(++request, FireCommand{});
      const AnswerEvent answer = consumer.answer(request);
      if (pulled ? std::holds_alternative<BackendError>(answer.result) : !ok(answer)) break;
      fired++;
      if (!consumer.wait(fired)) break;
      if (i % 16 == 0) static_cast<void>(thread.health());
      if (i % 5 == 0) thread.post(++request, AcceptCommand{monotonic_ms(), monotonic_ms() + 1000, milliseconds(2)});
    }
    CHECK(consumer.frames() > 0);
    CHECK(consumer.faults() > 0);
    if (!pulled) CHECK(fired == static_cast<uint64_t>(frames));
    fake("fault clear");
    thread.finish();
  }
  CHECK(thread.end(milliseconds(30000)));
  CHECK(ring->free() == 4);
}

}  // namespace

void spinnaker_cases(const std::string& library, int frames) {
  const Fake fake(library);
  for (const char* line : {"sensor-width = 256", "sensor-height = 128", "stride-padding = 64", "init-ms = 2", "begin-ms = 1", "command-ms = 1",
                           "removal-ms = 20", "arrival-ms = 20"}) {
    fake(line);
  }
  session(fake, library, frames, false);
  session(fake, library, frames, true);
  fake("replug");
  std::this_thread::sleep_for(milliseconds(200));
  session(fake, library, frames, false);
  const std::string status = fake("status");
  const std::string held = "\"held\":{\"cameras\":0,\"lists\":0,\"images\":0,\"handlers\":0,\"nodes\":0,\"entries\":0}";
  CHECK(status.find(held) != std::string::npos);
  CHECK(status.find("\"violationCount\":0") != std::string::npos);
}

}  // namespace driver
