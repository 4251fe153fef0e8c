package main

import (
	"math/rand"
	"net"
	"sync"
	"time"

	"github.com/pion/transport"
	"github.com/pion/transport/stdnet"
)

// A path is what lies between one peer and the recorder, at the peer's own socket:
// every datagram, either way, is delayed by `delay` and lost with the probability
// that `loss` gives for this moment. It needs no privileges and no kernel module
// (many kernels lack sch_netem), and the same seed loses by the same dice.
type path struct {
	*stdnet.Net
	delay time.Duration
	loss  func() float64
	mutex sync.Mutex
	dice  *rand.Rand
}

const pathHolds = 4096 // datagrams on their way; one more is lost, as in a full router

func newPath(delay time.Duration, loss func() float64, seed int64) *path {
	standard, err := stdnet.NewNet()
	must(err)
	return &path{Net: standard, delay: delay, loss: loss, dice: rand.New(rand.NewSource(seed))}
}

func (p *path) loses() bool {
	share := p.loss()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.dice.Float64() < share
}

// ListenUDP opens a socket whose traffic takes this path.
func (p *path) ListenUDP(network string, address *net.UDPAddr) (transport.UDPConn, error) {
	inner, err := p.Net.ListenUDP(network, address)
	if err != nil {
		return nil, err
	}
	conn := &pathConn{UDPConn: inner, path: p, in: make(chan travelling, pathHolds), out: make(chan travelling, pathHolds), closed: make(chan struct{})}
	go conn.receive()
	go conn.send()
	return conn, nil
}

type travelling struct {
	data []byte
	peer net.Addr
	due  time.Time
}

type pathConn struct {
	transport.UDPConn
	path    *path
	in, out chan travelling
	closed  chan struct{}
	once    sync.Once
}

func (c *pathConn) enter(queue chan travelling, data []byte, peer net.Addr) {
	if c.path.loses() {
		return
	}
	select {
	case queue <- travelling{append([]byte(nil), data...), peer, time.Now().Add(c.path.delay)}:
	default:
	}
}

func (c *pathConn) receive() {
	defer close(c.in)
	buffer := make([]byte, 2048)
	for {
		size, peer, err := c.UDPConn.ReadFrom(buffer)
		if err != nil {
			return
		}
		c.enter(c.in, buffer[:size], peer)
	}
}

func (c *pathConn) send() {
	for {
		select {
		case <-c.closed:
			return
		case next := <-c.out:
			time.Sleep(time.Until(next.due))
			_, _ = c.UDPConn.WriteTo(next.data, next.peer) // a send that fails is one more loss
		}
	}
}

// WriteTo sets a datagram on its way; it never fails, as its sender cannot know what becomes of it.
func (c *pathConn) WriteTo(data []byte, peer net.Addr) (int, error) {
	c.enter(c.out, data, peer)
	return len(data), nil
}

// ReadFrom returns what has arrived, in the order it was sent.
func (c *pathConn) ReadFrom(buffer []byte) (int, net.Addr, error) {
	next, open := <-c.in
	if !open {
		return 0, nil, net.ErrClosed
	}
	time.Sleep(time.Until(next.due))
	return copy(buffer, next.data), next.peer, nil
}

func (c *pathConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.UDPConn.Close()
}

// weather is the loss of all paths over time: `always`, and in bursts counted from `begin`.
type weather struct {
	always       float64
	burstLoss    float64
	every, burst time.Duration
	mutex        sync.Mutex
	began        time.Time
}

func (w *weather) begin() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.began = time.Now()
}

func (w *weather) loss() float64 {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	// The first burst comes after a whole period; none before the streams run.
	if w.burstLoss == 0 || w.began.IsZero() || time.Since(w.began) < w.every || time.Since(w.began)%w.every >= w.burst {
		return w.always
	}
	return w.burstLoss
}
