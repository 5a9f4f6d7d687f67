"""The tests of Pli: sentences about people.

walks/    a story a file, through every door: Dominique (patient), Camille (her child), Marcel (76), Dr Morel,
          the admissions team, the lab
doors/    one door each: hostile input, a real client against a real server
storage/  each test on both engines
laws/     what holds for the whole tree: the laws of the design
browser/  the pages, in Chromium
speed/    the benchmarks (`make speed`)
support/  what tests share: private servers, programs of the machine, sample documents; no test in it

A test that needs a program or samples which are not there is skipped with the reason; with CI set, a missing program
is a failure.
"""
