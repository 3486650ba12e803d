// The parts of the one connection that brings everything: [name, bytes], as connection.py writes them.

export async function* parts(stream) {
  const reader = stream.getReader();
  let data = new Uint8Array();
  const more = async () => {
    const { done, value } = await reader.read();
    if (done) return false;
    const joined = new Uint8Array(data.length + value.length);
    joined.set(data);
    joined.set(value, data.length);
    data = joined;
    return true;
  };
  for (;;) {
    let end;
    while ((end = headEnd(data)) < 0) if (!(await more())) return;
    const head = new TextDecoder().decode(data.subarray(0, end));
    const start = end + 4;
    const stop = start + Number(/Content-Length: (\d+)/.exec(head)[1]);
    while (data.length < stop) if (!(await more())) return;
    yield [/X-Name: (\w+)/.exec(head)[1], data.slice(start, stop)];
    data = data.subarray(stop);
  }
}

function headEnd(data) {
  for (let i = 0; i + 3 < data.length; i++)
    if (data[i] === 13 && data[i + 1] === 10 && data[i + 2] === 13 && data[i + 3] === 10) return i;
  return -1;
}
