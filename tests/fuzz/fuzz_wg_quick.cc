// A wg-quick file: whatever it holds, it is refused with the lines that are wrong, or understood;
// and what is made of it is a network file, or refused.
#include <string>
#include <string_view>

#include "ctl/cli_import.h"
#include "ctl/wg_quick_file.h"
#include "ctl/wg_quick_routing.h"
#include "network/load.h"
#include "tests/fuzz/option.h"
#include "tests/fuzz/require.h"

// Everything that a file can say is seven hundred bytes.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  return hawser::testing::add_option(argc, argv, "-max_len=768");
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t len) {
  using namespace hawser;
  using testing::require;
  const std::string_view text(reinterpret_cast<const char*>(data), len);
  const Result<WgQuickFile> file = parse_wg_quick(text, "wg0.conf");
  if (!file) {
    require(file.error().message.starts_with("wg0.conf:"), "a mistake has its file and line");
    return 0;
  }
  (void)routing_of(*file);
  const auto network =
      import_as_full_mesh(*file, {"wg0", "wg0.conf"}, "here", "here.example.com:51820");
  if (network) (void)load_network(network->text);
  return 0;
}
