// hawser import: what a network file says of ports, and of what is doubtful in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "ctl/cli_import.h"
#include "network/load.h"
#include "network/plan.h"
#include "tests/ctl/temporary_directory.h"

namespace hawser {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryDirectory;

constexpr std::string_view kFile =
    "[Interface]\nPrivateKey = YAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n"
    "Address = 10.42.0.1/24\nListenPort = 51900\n"
    "# heron\n[Peer]\nPublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\n"
    "AllowedIPs = 10.42.0.2\nEndpoint = 192.0.2.2:7\n";

std::uint16_t port_of(const Network& network, const std::string& host) {
  const auto plan = plan_host(network, host);
  return plan && plan->interface.listen_port ? *plan->interface.listen_port : 0;
}

TEST(ImportedPorts, EveryMemberHasItsOwn) {
  const auto file = parse_wg_quick(kFile, "wg0.conf");
  ASSERT_TRUE(file.ok()) << file.error().message;
  const auto imported =
      import_as_full_mesh(*file, *wg_quick_name("wg0.conf"), "kingfisher", "192.0.2.1:51820");
  ASSERT_TRUE(imported.ok()) << imported.error().message;
  const LoadedNetwork loaded = load_network(imported->text);
  ASSERT_TRUE(loaded.usable()) << imported->text;
  EXPECT_EQ(port_of(loaded.network, "kingfisher"), 51900);  // where it listens
  EXPECT_EQ(port_of(loaded.network, "heron"), 7);
}

TEST(ImportedPorts, WithoutListenPortItIsWhereOthersReachIt) {
  auto file = parse_wg_quick(kFile, "wg0.conf");
  ASSERT_TRUE(file.ok()) << file.error().message;
  file->listen_port.reset();
  const auto imported =
      import_as_full_mesh(*file, *wg_quick_name("wg0.conf"), "kingfisher", "192.0.2.1:4500");
  ASSERT_TRUE(imported.ok()) << imported.error().message;
  const LoadedNetwork loaded = load_network(imported->text);
  EXPECT_EQ(port_of(loaded.network, "kingfisher"), 4500);
}

TEST(ImportCommand, SaysTheWarningsOfTheCheck) {
  const TemporaryDirectory directory;
  CliArguments arguments;
  arguments.wg_quick_file = directory.path() + "/wg0.conf";
  std::ofstream(arguments.wg_quick_file) << kFile;
  arguments.host = "kingfisher";
  arguments.own_endpoint = "127.0.0.1:51900";  // others cannot reach that
  arguments.out_dir = directory.path();
  const CliOutput output = import_wg_quick(arguments);
  EXPECT_EQ(output.exit_code, EXIT_SUCCESS) << output.err;
  EXPECT_THAT(output.err, HasSubstr("warning: members.kingfisher.endpoint"));
  EXPECT_TRUE(std::filesystem::exists(directory.path() + "/wg0.toml"));
}

TEST(ImportCommand, NamesEveryFileThatItHasWritten) {
  const TemporaryDirectory directory;
  CliArguments arguments;
  arguments.wg_quick_file = directory.path() + "/wg0.conf";
  std::string text(kFile);
  const std::size_t end_of_key = text.find('\n', text.find("PublicKey"));
  text.insert(end_of_key, "\nPresharedKey = FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=");
  std::ofstream(arguments.wg_quick_file) << text;
  arguments.host = "kingfisher";
  arguments.own_endpoint = "192.0.2.1:51820";
  arguments.out_dir = directory.path();
  const CliOutput output = import_wg_quick(arguments);
  ASSERT_EQ(output.exit_code, EXIT_SUCCESS) << output.err;
  std::size_t num_psk = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    if (entry.path() == arguments.wg_quick_file) continue;
    EXPECT_THAT(output.out, HasSubstr(entry.path().string()));
    if (entry.path().extension() == ".psk") ++num_psk;
  }
  EXPECT_GE(num_psk, 1u);
  EXPECT_THAT(output.out, HasSubstr("preshared keys"));
}

}  // namespace
}  // namespace hawser
