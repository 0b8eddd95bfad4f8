# Checks the extension's metadata as Slicer does, and registers its tests on the harness.

foreach(name HOMEPAGE CATEGORY CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  if("${EXTENSION_${name}}" STREQUAL "")
    message(FATAL_ERROR "The extension must set EXTENSION_${name}")
  endif()
endforeach()
if(EXTENSION_STATUS OR EXTENSION_BUILD_SUBDIRECTORY)
  message(FATAL_ERROR "EXTENSION_STATUS and EXTENSION_BUILD_SUBDIRECTORY are no longer used")
endif()

get_property(SlicerStub_modules GLOBAL PROPERTY SlicerStub_MODULES)
if(NOT SlicerStub_modules)
  message(FATAL_ERROR "The extension builds no module")
endif()
set(SlicerStub_folder ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR})
set(SlicerStub_with)
foreach(module IN LISTS SlicerStub_modules)
  list(APPEND SlicerStub_with --with ${SlicerStub_folder}/${module}.py)
endforeach()

get_property(SlicerStub_tests GLOBAL PROPERTY SlicerStub_UNIT_TESTS)
foreach(test IN LISTS SlicerStub_tests)
  string(REGEX MATCH "^([^=]+)=(.+)$" unused "${test}")
  set(SlicerStub_name ${CMAKE_MATCH_1})
  get_filename_component(SlicerStub_script ${CMAKE_MATCH_2} NAME_WE)
  if(SlicerStub_script IN_LIST SlicerStub_modules)
    add_test(NAME ${SlicerStub_name} COMMAND ${SlicerStub_PYTHON} -m slicer_harness selftest
      ${SlicerStub_with} ${SlicerStub_folder}/${SlicerStub_script}.py)
  else()
    add_test(NAME ${SlicerStub_name} COMMAND ${SlicerStub_PYTHON} ${Slicer_DIR}/run_unit_test.py
      ${CMAKE_MATCH_2} ${SlicerStub_folder} ${SlicerStub_modules})
  endif()
  list(APPEND SlicerStub_names ${SlicerStub_name})
endforeach()

get_property(SlicerStub_generic GLOBAL PROPERTY SlicerStub_GENERIC_TESTS)
foreach(module IN LISTS SlicerStub_generic)
  set(SlicerStub_name py_nomainwindow_qSlicer${module}ModuleGenericTest)
  add_test(NAME ${SlicerStub_name} COMMAND ${SlicerStub_PYTHON} -m slicer_harness generic
    ${SlicerStub_with} ${SlicerStub_folder}/${module}.py)
  list(APPEND SlicerStub_names ${SlicerStub_name})
endforeach()
if(SlicerStub_names)
  set_tests_properties(${SlicerStub_names} PROPERTIES
    ENVIRONMENT "PYTHONPATH=${SlicerStub_HARNESS};QT_QPA_PLATFORM=offscreen")
endif()
