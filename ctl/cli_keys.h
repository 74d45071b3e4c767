#pragma once
#include <istream>

#include "base/random_source.h"
#include "ctl/cli_arguments.h"
#include "ctl/cli_output.h"

namespace hawser {

// `hawser keygen`: a new private key, in a new file with mode 0600; prints the public one. With
// --preshared a preshared key, which has none.
CliOutput make_key(const CliArguments& arguments, RandomSource& random);

// `hawser pubkey`: the private key is the first line of `input`.
CliOutput derive_public_key(std::istream& input);

}  // namespace hawser
