# Every library the product is made of, found once and by name. scripts/setup installs them.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(B2 REQUIRED IMPORTED_TARGET libb2)
pkg_check_modules(URING REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(MNL REQUIRED IMPORTED_TARGET libmnl)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Boost 1.81 REQUIRED)

# BoringSSL as Debian packages it: beside OpenSSL, under android/.
find_path(BORINGSSL_INCLUDE_DIR openssl/is_boringssl.h PATH_SUFFIXES android REQUIRED)
find_library(BORINGSSL_CRYPTO crypto PATH_SUFFIXES android
             PATHS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE} NO_DEFAULT_PATH REQUIRED)
get_filename_component(BORINGSSL_LIB_DIR ${BORINGSSL_CRYPTO} DIRECTORY)
add_library(BoringSSL::crypto UNKNOWN IMPORTED)
set_target_properties(BoringSSL::crypto PROPERTIES
  IMPORTED_LOCATION ${BORINGSSL_CRYPTO}
  INTERFACE_INCLUDE_DIRECTORIES ${BORINGSSL_INCLUDE_DIR})
# The loader does not look there by itself.
list(APPEND CMAKE_BUILD_RPATH ${BORINGSSL_LIB_DIR})
list(APPEND CMAKE_INSTALL_RPATH ${BORINGSSL_LIB_DIR})

# Optional: faster AEAD on processors with AVX-512.
find_path(IPSEC_MB_INCLUDE_DIR intel-ipsec-mb.h)
find_library(IPSEC_MB_LIBRARY IPSec_MB)
if(IPSEC_MB_INCLUDE_DIR AND IPSEC_MB_LIBRARY)
  add_library(ipsec_mb UNKNOWN IMPORTED)
  set_target_properties(ipsec_mb PROPERTIES
    IMPORTED_LOCATION ${IPSEC_MB_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${IPSEC_MB_INCLUDE_DIR})
  set(HAWSER_HAVE_IPSEC_MB ON)
else()
  set(HAWSER_HAVE_IPSEC_MB OFF)
endif()
message(STATUS "intel-ipsec-mb: ${HAWSER_HAVE_IPSEC_MB}")
