#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "noise/aead.h"

namespace hawser {

// The classes of batches under one key that may have a backend each.
inline constexpr std::size_t kNumAeadSizes = 3;   // small, middle, full: by the mean length
inline constexpr std::size_t kNumAeadShapes = 3;  // single (1, 2), few (3 to 7), train (8 and more)
using AeadTable = std::array<std::array<AeadKind, kNumAeadShapes>, kNumAeadSizes>;

// The row and the column of a batch.
std::size_t aead_size_class(std::uint64_t total_len, std::size_t num);
std::size_t aead_shape_class(std::size_t num);

AeadTable aead_table_of(AeadKind kind);  // the same everywhere

// One word: the backends of the table, that of full trains first ("lanes", "lanes+ipsec-mb").
std::string aead_table_name(const AeadTable& table);

// Cuts batches into runs of one key and hands each to the backend of its class. Null when this
// build or processor lacks one of them.
std::unique_ptr<Aead> make_aead(const AeadTable& table);

}  // namespace hawser
