"""Where libraries that were written for earlier Covalents look for names: ``covalent._workflow.lattice.Lattice``."""
