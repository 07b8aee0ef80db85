#!/bin/bash
# cmake and ninja: a C project with a static library, a generated header, install and ctest, source and build on the mount
# packages: cmake ninja-build gcc
# core
# differs: b/* out/bin/*
mkdir src && cat >CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.20)
project(demo C)
configure_file(config.h.in config.h)
add_library(lib STATIC src/lib.c)
add_executable(prog src/main.c)
target_include_directories(prog PRIVATE ${CMAKE_BINARY_DIR})
target_link_libraries(prog lib)
add_custom_command(OUTPUT gen.txt COMMAND prog > gen.txt DEPENDS prog)
add_custom_target(gen ALL DEPENDS gen.txt)
install(TARGETS prog DESTINATION bin)
install(FILES src/main.c DESTINATION share)
enable_testing()
add_test(NAME runs COMMAND prog)
file(GLOB_RECURSE found CONFIGURE_DEPENDS src/*.c)
message(STATUS "found ${found}")
C
echo '#define VERSION "@PROJECT_NAME@"' >config.h.in; echo 'int f(void) { return 41; }' >src/lib.c; printf '#include <stdio.h>\n#include "config.h"\nint f(void);\nint main(void) { printf("%%s %%d\\n", VERSION, f() + 1); return 0; }\n' >src/main.c
cmake -G Ninja -S . -B b -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$W/out" | grep found; cmake --build b >/dev/null && b/prog && cat b/gen.txt && (cd b && ctest 2>&1 | grep 'tests passed') && cmake --install b >/dev/null && find out -type f | sort && ninja -C b -n | tail -n1
echo 'int f(void) { return 1; }' >src/lib.c && cmake --build b >/dev/null && b/prog; ninja -C b -t clean >/dev/null; ls b/prog 2>/dev/null || echo cleaned; out/bin/prog
