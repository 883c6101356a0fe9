"""Which of the library's functions people ask about: about three hundred, and what is said of each.

Chosen by hand where the interpreter itself is concerned (`len`, `dict.get`), and by use for the rest: of the public
functions and classes of well-known modules, those that the library's own source names most often.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from training.core.library import Library, Passage, docstrings_in_c

SHORTEST, LONGEST = 20, 400  # characters of an answer: a sentence to a paragraph
MODULES = frozenset(
    "os os.path pathlib shutil json re random datetime collections itertools functools string textwrap time "
    "subprocess threading logging contextlib dataclasses urllib.parse urllib.request tempfile glob fnmatch copy heapq "
    "bisect statistics fractions decimal calendar uuid base64 hmac secrets csv zipfile tarfile gzip bz2 lzma pickle "
    "shelve socket asyncio concurrent.futures queue inspect ast typing enum argparse getpass platform pprint difflib "
    "html http.client http.server ipaddress operator traceback warnings unittest doctest timeit types abc io math "
    "itertools locale mimetypes configparser shlex linecache tokenize struct codecs weakref reprlib graphlib numbers "
    "colorsys sched selectors signal stat zoneinfo keyword cmd pdb cProfile gettext optparse getopt fileinput filecmp "
    "webbrowser imaplib smtplib ftplib poplib email xml.dom.minidom xml.etree.ElementTree sqlite3 ssl dis "
    "importlib importlib.resources importlib.metadata pkgutil runpy site sysconfig venv wave zipapp".split()
)
METHODS_OF = frozenset(
    "str list dict set pathlib.Path pathlib.PurePath datetime.date datetime.datetime collections.Counter "
    "collections.OrderedDict collections.ChainMap string.Template threading.Event threading.Lock queue.Queue "
    "logging.Logger random.Random fractions.Fraction argparse.ArgumentParser difflib.SequenceMatcher".split()
)
BY_HAND = (
    "abs all any ascii bin bool bytes callable chr dict dir divmod enumerate eval exec filter float format frozenset "
    "getattr globals hasattr hash hex id input int isinstance issubclass iter len list locals map max min next object "
    "oct open ord pow print property range repr reversed round set setattr slice sorted str sum super tuple type vars "
    "zip ValueError KeyError TypeError IndexError StopIteration "
    "str.join str.split str.strip str.replace str.upper str.lower str.startswith str.endswith str.find str.format "
    "str.title str.splitlines str.partition str.isdigit str.encode str.count str.zfill str.capitalize str.center "
    "list.append list.extend list.pop list.sort list.reverse list.insert list.remove list.index list.count list.copy "
    "dict.get dict.items dict.keys dict.values dict.pop dict.update dict.setdefault dict.copy dict.fromkeys "
    "set.add set.union set.intersection set.difference set.discard set.issubset "
    "math.sqrt math.floor math.ceil math.gcd math.factorial math.comb math.log math.exp math.sin math.cos math.pow "
    "math.isclose math.hypot math.prod math.lcm math.radians math.degrees math.trunc math.fabs math.isnan "
    "time.sleep time.time time.monotonic time.perf_counter time.localtime time.strftime "
    "os.listdir os.getcwd os.mkdir os.remove os.rename os.stat os.chdir os.rmdir os.cpu_count os.getpid os.urandom "
    "os.path.join os.path.exists os.path.basename os.path.dirname os.path.abspath os.path.splitext os.path.isfile "
    "os.path.isdir os.walk os.makedirs os.getenv json.loads json.dumps json.load json.dump re.compile re.match "
    "re.search re.sub re.findall re.split re.escape random.choice random.randint random.shuffle random.sample "
    "random.random random.uniform shutil.copy shutil.rmtree shutil.move shutil.which collections.Counter "
    "collections.OrderedDict collections.namedtuple functools.lru_cache functools.wraps functools.reduce "
    "functools.partial itertools.chain itertools.product itertools.count itertools.cycle itertools.repeat "
    "itertools.islice itertools.groupby itertools.permutations itertools.combinations itertools.accumulate "
    "subprocess.run subprocess.Popen pathlib.Path pathlib.Path.exists pathlib.Path.mkdir pathlib.Path.glob "
    "pathlib.Path.read_text pathlib.Path.write_text textwrap.dedent textwrap.wrap textwrap.fill copy.copy copy.deepcopy "
    "asyncio.run asyncio.gather asyncio.sleep contextlib.contextmanager dataclasses.dataclass dataclasses.field "
    "logging.getLogger logging.basicConfig urllib.parse.urlparse urllib.parse.quote datetime.datetime.now "
    "datetime.date.today datetime.timedelta statistics.mean statistics.median heapq.heappush heapq.heappop "
    "bisect.bisect_left uuid.uuid4 base64.b64encode secrets.token_hex glob.glob fnmatch.fnmatch tempfile.mkdtemp "
    "threading.Thread operator.itemgetter enum.Enum html.escape pprint.pprint string.capwords warnings.warn".split()
)
DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


@dataclass(frozen=True)
class Entry:
    """A function that the instruct model knows, and its answer: a paragraph of the docstring, verbatim."""

    passage: Passage
    answer: str

    @property
    def name(self) -> str:
        return self.passage.name


def first_prose(docstring: str) -> str:
    """The first paragraph that is neither a signature ("max(iterable) -> value") nor an example."""
    for paragraph in docstring.split("\n\n"):
        first = paragraph.lstrip().split("\n")[0]
        if not first.startswith(">>>") and "->" not in first and not re.match(r"[\w.]+\([^)]*\)\s*(-->|$)", first):
            return paragraph.strip()
    return ""


def is_answer(paragraph: str) -> bool:
    """Says something by itself: a paragraph of moderate length that does not lead up to a list or an example."""
    return SHORTEST <= len(paragraph) <= LONGEST and not paragraph.endswith((":", ",")) and "<|" not in paragraph


def choose_entries(library: Library, number: int) -> list[Entry]:
    """The `number` best known, those chosen by hand first, then by how often the library's source names them."""
    passages = {passage.name: passage for passage in [*docstrings_in_c(), *library.docstrings()]}
    uses = Counter(name for text in library.sources.values() for name in DOTTED.findall(text))
    by_use = sorted((name for name in passages if _is_candidate(passages[name])), key=lambda n: (-uses[n], n))
    chosen = dict.fromkeys([*(name for name in BY_HAND if name in passages), *by_use])
    return list(_entries(passages[name] for name in chosen))[:number]


def _is_candidate(passage: Passage) -> bool:
    owner = passage.name.rpartition(".")[0]
    return passage.kind != "module" and (owner in METHODS_OF or owner in MODULES)


def _entries(passages: Iterable[Passage]) -> Iterable[Entry]:
    for passage in passages:
        answer = first_prose(passage.text)
        if is_answer(answer):
            yield Entry(passage, answer)
