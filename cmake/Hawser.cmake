# Flags of the whole house, and the one way to declare a room.
add_library(hawser_flags INTERFACE)
target_include_directories(hawser_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(hawser_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(hawser_flags INTERFACE -Wcast-align=strict)
endif()
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # It takes a file that another includes for a header, in which this would be a mistake.
  target_compile_options(hawser_flags INTERFACE -Wno-subobject-linkage)
endif()
if(HAWSER_WERROR)
  target_compile_options(hawser_flags INTERFACE -Werror)
endif()
if(HAWSER_SANITIZE)
  target_compile_options(hawser_flags INTERFACE -fsanitize=${HAWSER_SANITIZE}
    -fno-sanitize-recover=all)
  target_link_options(hawser_flags INTERFACE -fsanitize=${HAWSER_SANITIZE})
endif()
if(HAWSER_FUZZ)
  target_compile_options(hawser_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
target_link_libraries(hawser_flags INTERFACE Threads::Threads)

# hawser_room(NAME [EXCEPTIONS] SOURCES ... DEPENDS ...)
# One STATIC library a folder. Only ctl may see exceptions (Boost throws there).
function(hawser_room name)
  cmake_parse_arguments(ROOM "EXCEPTIONS" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(hawser_${name} STATIC ${ROOM_SOURCES})
  target_link_libraries(hawser_${name} PUBLIC hawser_flags ${ROOM_DEPENDS}
                        PRIVATE ${ROOM_PRIVATE_DEPENDS})
  # What the annotations say of locks (base/thread_annotations.h) holds, or it does not compile.
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(hawser_${name} PRIVATE -Werror=thread-safety)
  endif()
  if(NOT ROOM_EXCEPTIONS)
    target_compile_options(hawser_${name} PRIVATE -fno-exceptions)
  endif()
endfunction()
