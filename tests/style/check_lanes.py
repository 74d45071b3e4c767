#!/usr/bin/env python3
"""Does a branch or an address in the lanes' code depend on a secret? (noise/aead_lanes.h)

Usage: check_lanes.py SOURCE_DIR            both checks below; exit status 1 if one fails
       check_lanes.py --list SOURCE_DIR     prints what the second one found, as it is permitted
       check_lanes.py --self-test

Valgrind does not know AVX-512, so the question is asked in two ways.
1. The portable form of the one source runs under the memory sanitizer (clang++) with keys, texts and
   tags marked uninitialized.
2. The AVX2 and AVX-512 code, compiled as for a release (g++), is disassembled. Each conditional jump
   and each memory operand that is not at a fixed place of the frame is reported by the line of our
   source it comes from, and compared with lanes_permitted.txt, where a person has looked at each:
   they go by lengths, by numbers of packets and by the verdict, and addresses by pointers and
   indices of the same. Gathers, scatters, compressing stores, indirect jumps and calls of anything
   but memcpy are never permitted.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

FORMS = ["aead_lanes_avx2", "aead_lanes_avx512"]
FLAGS = ["-std=c++20", "-O2", "-g", "-fno-exceptions", "-fno-omit-frame-pointer"]
HERE = pathlib.Path(__file__).resolve().parent
PERMITTED = HERE / "lanes_permitted.txt"

INSTRUCTION = re.compile(r"^\s+[0-9a-f]+:\s+(?:(?:data16|cs|ds|notrack|bnd)\s+)*([a-z]\w*)\s*(.*)$")
MEMORY = re.compile(r"(?<![\w])(-?0x[0-9a-f]+)?\(([^)]*)\)")
OURS = "_ZN6hawser"
MAY_BE_CALLED = {"memcpy"}
SOURCE_LINE = re.compile(r"^(?:inlined by )?(/[^:]+):(\d+)(?: \(discriminator \d+\))?")
# Frame and constants: no secret in the address, whatever is stored there.
FIXED = {"%rsp", "%rbp", "%rip"}


class Source:
    """Where an instruction comes from: the innermost line of ours in its chain of inlined calls."""

    def __init__(self, root):
        self.root = root.resolve()
        self.texts = {}

    def line_of(self, chain):
        for name, number in chain:
            path = pathlib.Path(name).resolve()
            if path.is_relative_to(self.root / "noise") or path.is_relative_to(self.root / "base"):
                if path not in self.texts:
                    self.texts[path] = path.read_text().splitlines()
                text = self.texts[path][number - 1].strip() if number > 0 else "?"
                return f"{path.relative_to(self.root)}: {text}"
        return "elsewhere"


def operands(text):
    """The memory operands of an instruction, as lists of registers."""
    return [[part for part in match.group(2).split(",") if part.startswith("%")]
            for match in MEMORY.finditer(text)]


def judge(opcode, arguments):
    """("jump" | "memory" | "call" | "forbidden" | None) for one instruction."""
    if opcode.startswith("j"):
        if arguments.startswith("*"):
            return "forbidden"
        return None if opcode == "jmp" else "jump"
    if opcode.startswith("call"):
        return "forbidden" if arguments.startswith("*") else "call"
    if "gather" in opcode or "scatter" in opcode or "compress" in opcode:
        return "forbidden"
    if opcode.startswith(("nop", "lea")):
        return None
    for registers in operands(arguments):
        if any(register.startswith(("%xmm", "%ymm", "%zmm")) for register in registers):
            return "forbidden"
        if any(register not in FIXED for register in registers):
            return "memory"
    return None


def findings(disassembly, source):
    """The set of "what<TAB>where" of a listing of objdump -d -r -l --inlines."""
    found = set()
    chain, function, after_call = [], "?", False
    for line in disassembly.splitlines():
        relocation = re.match(r"^\s+[0-9a-f]+: R_X86_64_\w+\s+([\w.]+)", line)
        if relocation:
            # The linker's note behind a call of something outside, by its name.
            name = relocation.group(1)
            if after_call and name not in MAY_BE_CALLED and not name.startswith(OURS):
                found.add(f"forbidden\tcall of {name}")
            after_call = False
            continue
        position = SOURCE_LINE.match(line)
        if position:
            if not line.startswith("inlined by"):
                chain = []
            chain.append((position.group(1), int(position.group(2))))
            continue
        header = re.match(r"^[0-9a-f]+ <(.*)>:$", line)
        if header:
            function = header.group(1)
            chain = []
            continue
        match = INSTRUCTION.match(line)
        if not match:
            continue
        opcode, arguments = match.group(1), match.group(2)
        what = judge(opcode, arguments)
        after_call = what == "call"
        if what == "forbidden":
            found.add(f"forbidden\t{opcode} {arguments} in {function}")
        elif what in ("jump", "memory"):
            found.add(f"{what}\t{source.line_of(chain)}")
    return found


def disassemble(root, form, work):
    obj = pathlib.Path(work) / f"{form}.o"
    subprocess.run(["g++", *FLAGS, f"-I{root}", "-w", "-c", str(root / "noise" / f"{form}.cc"), "-o",
                    str(obj)], check=True)
    return subprocess.run(["objdump", "-d", "-r", "-l", "--inlines", "--no-show-raw-insn",
                           str(obj)], check=True, capture_output=True, text=True).stdout


def list_all(root):
    root = root.resolve()
    source = Source(root)
    found = set()
    with tempfile.TemporaryDirectory() as work:
        for form in FORMS:
            found |= {f"{form}\t{one}" for one in findings(disassemble(root, form, work), source)}
    return sorted(found)


def run_uninitialized(root):
    root = root.resolve()
    with tempfile.TemporaryDirectory() as work:
        program = pathlib.Path(work) / "lanes_uninitialized"
        subprocess.run(["clang++", "-std=c++20", "-O1", "-g1", "-fsanitize=memory",
                        "-fno-exceptions", f"-I{root}", str(HERE / "lanes_uninitialized.cc"),
                        str(root / "noise" / "aead_lanes_portable.cc"), "-o", str(program)],
                       check=True)
        # The sanitizer wants the address space of kernels without much randomness in it.
        plain = subprocess.run(["setarch", "-R", "true"], capture_output=True).returncode == 0
        return subprocess.run((["setarch", "-R"] if plain else []) + [str(program)]).returncode == 0


def check(root):
    good = run_uninitialized(root)
    print("secrets marked uninitialized:", "nothing depends on them" if good else "FAILED")
    permitted = {line for line in PERMITTED.read_text().splitlines()
                 if line and not line.startswith("#")}
    found = set(list_all(root))
    for one in sorted(found - permitted):
        good = False
        print(f"not permitted: {one}")
    if not good:
        print("Look whether an address or a branch depends on a secret; what does not goes into "
              f"{PERMITTED.relative_to(HERE.parent.parent)} (check_lanes.py --list prints all).")
    for one in sorted(permitted - found):
        print(f"permitted, but no longer there: {one}")
    print(f"{len(found)} kinds of jumps and memory operands looked at")
    return good


def self_test():
    """Does judge() see what it must?"""
    wanted = [("vpgatherdd", "(%rax,%zmm1,4),%zmm0{%k1}", "forbidden"),
              ("jne", "1770 <seal>", "jump"), ("jmp", "1770 <seal>", None),
              ("jmp", "*%rax", "forbidden"), ("call", "*0x8(%rax)", "forbidden"),
              ("mov", "(%rdx,%rax,1),%rsi", "memory"), ("mov", "0x10(%rsp),%rsi", None),
              ("mov", "0x10(%rsp,%rax,8),%rsi", "memory"), ("vpaddd", "%zmm1,%zmm2,%zmm3", None),
              ("vmovdqa64", "0x0(%rip),%zmm1", None), ("lea", "0x40(%rax),%rcx", None),
              ("vpcompressb", "%zmm0,(%rdi){%k1}", "forbidden")]
    missed = [one for one in wanted if judge(one[0], one[1]) != one[2]]
    listing = ("0000 <f()>:\n/x/noise/a.h:1\n 10:\tjne    1770 <f()>\n"
               " 15:\tcall   1a <f()>\n\t\t\t16: R_X86_64_PLT32\texit-0x4\n")
    found = findings(listing, Source(pathlib.Path("/x/y")))
    if found != {"jump\telsewhere", "forbidden\tcall of exit"}:
        missed.append(found)
    return missed


def main():
    if sys.argv[1:] == ["--self-test"]:
        missed = self_test()
        print(f"goes unnoticed: {missed}" if missed else "the judge of instructions is right")
        return 1 if missed else 0
    if len(sys.argv) == 3 and sys.argv[1] == "--list":
        print("\n".join(list_all(pathlib.Path(sys.argv[2]))))
        return 0
    return 0 if check(pathlib.Path(sys.argv[1])) else 1


if __name__ == "__main__":
    sys.exit(main())
