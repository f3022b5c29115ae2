# With SKALD_STATIC programs hold in themselves what they use of the libraries that SkaldDependencies found, as far
# as Debian has archives of them (docs/adr/0018-static-programs.md). Not OpenSSL: its mends come with the system's.
#
# The packages describe their shared libraries, so wherever one is named, the archive beside it is put in its place.
if(NOT SKALD_STATIC)
  return()
endif()

# Sets `result` to the archive of what a package names: a shared library beside it, or a flag like -lre2. To `library`
# itself where there is none, and for parts of libc.
function(skald_archive_of library result)
  set(${result} "${library}" PARENT_SCOPE)
  set(archive "")
  if(library MATCHES "/lib(ssl|crypto)\\.so|^-l(pthread|dl|m|rt)$")
    return()
  elseif(library MATCHES "^(/.*/lib[^/]+)\\.so[.0-9]*$")
    set(archive "${CMAKE_MATCH_1}.a")
  elseif(library MATCHES "^-l(.+)$")
    find_library(SKALD_ARCHIVE_${CMAKE_MATCH_1} lib${CMAKE_MATCH_1}.a)
    set(archive "${SKALD_ARCHIVE_${CMAKE_MATCH_1}}")
  endif()
  if(EXISTS "${archive}")
    set(${result} "${archive}" PARENT_SCOPE)
  endif()
endfunction()

get_property(imported DIRECTORY PROPERTY IMPORTED_TARGETS)
foreach(target IN LISTS imported)
  set(properties IMPORTED_LOCATION INTERFACE_LINK_LIBRARIES)
  get_target_property(configurations ${target} IMPORTED_CONFIGURATIONS)
  foreach(configuration IN LISTS configurations)
    list(APPEND properties IMPORTED_LOCATION_${configuration})
  endforeach()
  foreach(property IN LISTS properties)
    get_target_property(libraries ${target} ${property})
    if(NOT libraries)
      continue()
    endif()
    set(archives "")
    foreach(library IN LISTS libraries)
      skald_archive_of("${library}" archive)
      list(APPEND archives "${archive}")
    endforeach()
    set_target_properties(${target} PROPERTIES ${property} "${archives}")
  endforeach()
endforeach()

# Unlike a shared library, an archive does not bring what it needs itself.
set(SKALD_ROCKSDB RocksDB::rocksdb)

# In any order: the packages do not tell all that archives need of each other.
set(CMAKE_CXX_LINK_EXECUTABLE
  "<CMAKE_CXX_COMPILER> <FLAGS> <CMAKE_CXX_LINK_FLAGS> <LINK_FLAGS> <OBJECTS> -o <TARGET> -Wl,--start-group <LINK_LIBRARIES> -Wl,--end-group")
