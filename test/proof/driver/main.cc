// driver LIBRARY [FRAMES]: each group of cases; the last line is "N passed, N failed".
#include <cstdlib>

#include "driver.h"

int main(int count, char** words) {
  if (count < 2) {
    std::fprintf(stderr, "usage: %s LIBRARY [FRAMES]\n", words[0]);
    return 2;
  }
  const int frames = count > 2 ? std::atoi(words[2]) : 60;
  int passed = 0;
  int failed = 0;
  const auto group = [&](const char* name, auto run) {
    const int before = driver::failures();
    run();
    const bool good = driver::failures() == before;
    (good ? passed : failed)++;
    std::printf("%s %s\n", good ? "ok    " : "FAILED", name);
  };
  group("rings under four threads", driver::ring_cases);
  group("pictures from memory through the camera thread", driver::pushed_cases);
  group("the Spinnaker backend on the fake, faults and the cable", [&] { driver::spinnaker_cases(words[1], frames); });
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
