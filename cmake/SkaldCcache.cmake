# Compiles through ccache where it is installed. The sloppiness is what precompiled headers need.
find_program(SKALD_CCACHE ccache)
if(SKALD_CCACHE)
  set(SKALD_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${SKALD_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${SKALD_LAUNCHER})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SKALD_LAUNCHER})
endif()
