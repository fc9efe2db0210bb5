"""Commands without their start: a process that holds TensorFlow forks for each.

    python tests/warm.py serve SOCKET         says "ready"; until its input ends
    python -S tests/warm.py SOCKET WORD ...   sslzoo WORD ..., with the folder, the
                                              environment and the files of the caller

To import TensorFlow takes longer than most commands of a document in their short form.
That `sslzoo` starts by itself is seen in test_cli, test_start and test_packaging.
"""

import array
import json
import os
import select
import signal
import socket
import sys

FILES = (0, 1, 2)


def ask(place, words):
    """The exit code of `sslzoo words`; what it prints goes where ours would."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(place)
        about = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", FILES))
        line.sendmsg([b"."], [about])
        line.sendall(json.dumps([os.getcwd(), {**os.environ}, words]).encode())
        line.shutdown(socket.SHUT_WR)
        return int(line.makefile().read() or 1)


def serve(place):
    import gc

    import keras  # noqa: F401 (this and the next take long)
    import tensorflow  # noqa: F401

    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Whoever has answered is gone.
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(place)
        door.listen()
        print("ready", flush=True)
        while 0 not in (ready := select.select([door, 0], [], [])[0]):
            if ready:
                line, _ = door.accept()
                if not os.fork():
                    answer(line)
                line.close()


def answer(line):
    """In a process of its own: the command in another, and what it came to."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, about, *_ = line.recvmsg(1, socket.CMSG_SPACE(4 * len(FILES)))
    files = array.array("i", about[0][2])
    folder, environment, words = json.loads(line.makefile().read())
    child = os.fork()
    if not child:
        for here, file in zip(FILES, files):
            os.dup2(file, here)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        os._exit(code_of(words))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    line.sendall(str(code).encode())
    os._exit(0)


def code_of(words):
    from sslzoo import cli

    sys.argv = ["sslzoo", *words]
    code = 1
    try:
        code = cli.main(words)
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        sys.exit(ask(sys.argv[1], sys.argv[2:]))
