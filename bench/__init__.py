"""The benchmark: real web servers, real workers in processes of their own, and what they must reach.

========== ==================================================================
figures    what is measured, in which unit, what it must and aims to reach
ground     PostgreSQL, Redis, databases and the house's processes
seed       people, workflows, filled-in launch forms, and finished runs in bulk
clients    browsers that keep their connection and press Start
counting   a database's counters, processor time, memory
w1 … w10   one scenario a file: what it sets up, does and reports
durability PostgreSQL is killed in the middle: is every acknowledged step there?
========== ==================================================================
"""
