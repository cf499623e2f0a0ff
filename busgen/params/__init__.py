"""Parameters: params.yaml as frozen models, one module a stage; an unknown key is an error.

Code imports the module of the section that it needs, so that it does not depend on the others;
`busgen.params.load` has them all.
"""
